"""A function as a CUDA graph; without a GPU the function itself, so that all else is the same."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from parts import CAPTURE, note_before_graph

WARMUP = 3


@contextmanager
def one_stream() -> Iterator[None]:
    """Run on a stream that is not the default one, which no graph can capture.

    Warm-up, timing and capture share it: autograd runs the backward pass on the streams of the
    forward pass, and libraries make their handles by stream.
    """
    if not torch.cuda.is_available():
        yield
        return
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream().wait_stream(stream)


def capture(function: Callable[[], object]) -> Callable[[], object]:
    """The graph of a function without arguments, to be called; inside of :func:`one_stream`."""
    if not torch.cuda.is_available():
        return function
    for _ in range(WARMUP):
        function()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
        function()
    return graph.replay


def time_graph(
    function: Callable[[], object], time: Callable[[Callable], dict], before: dict
) -> dict:
    """Figures of the graph of a function, as ``graph_NAME``; if it fails, why, as ``error``.

    What was measured without a graph must not be lost.

    Args:
        function: The function, without arguments.
        time: Makes the figures of a function.
        before: What was measured without a graph.
    """
    if not note_before_graph(before):
        return dict(graph='left out: one has failed')
    try:
        replay = capture(function)
        figures = dict(time(replay), held=graph_memory())
        return {f'graph_{key}': value for key, value in figures.items()}
    except Exception as error:  # of CUDA, of any type
        traceback.print_exc()
        return dict(error=f'{CAPTURE}: {type(error).__name__}: {error}'.splitlines()[0][:300])


def graph_memory() -> float:
    """GB of the GPU that are in use while there is a graph, the graph's own memory included."""
    if not torch.cuda.is_available():
        return 0.0
    torch.cuda.empty_cache()
    return torch.cuda.memory_reserved() / 1e9
