"""A function as a CUDA graph; without a GPU the function itself, so that all else is the same."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

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
    for _ in range(WARMUP):
        function()
    if not torch.cuda.is_available():
        return function
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
        function()
    return graph.replay
