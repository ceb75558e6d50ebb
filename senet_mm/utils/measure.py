"""Time and memory of several functions, measured in turns."""

import ctypes
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile


class Timing(NamedTuple):
    """Seconds per call: median, lower and upper quartile."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f'{self.median * 1e3:.1f} ms ({self.low * 1e3:.1f}-{self.high * 1e3:.1f})'


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def interleave(
    functions: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 2
) -> dict[str, Timing]:
    """Time functions in turns, so that other load on the machine hits all of them alike.

    Args:
        functions: The functions, by name.
        rounds: Timed calls of each, at least two.
        warmup: Calls before those.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(warmup):
        for function in functions.values():
            function()
    for _ in range(rounds):
        for name, function in functions.items():
            synchronize()
            start = time.perf_counter()
            function()
            synchronize()
            seconds[name].append(time.perf_counter() - start)
    return {name: summarise(values) for name, values in seconds.items()}


def summarise(seconds: Sequence[float]) -> Timing:
    """Median and quartiles of two or more times."""
    low, median, high = statistics.quantiles(seconds, n=4, method='inclusive')
    return Timing(median, low, high)


def _status(key: str) -> int:
    """A field of ``/proc/self/status``, in bytes."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{key}:'):
            return int(line.split()[1]) * 1024
    raise AssertionError(key)


def peak_memory(function: Callable[[], object]) -> int:
    """Bytes that a call takes at its peak beyond what is in use before: of the GPU, else of Linux.

    A first call must have gone before, or its buffers count.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        synchronize()
        return torch.cuda.max_memory_allocated() - before
    # Return freed memory to Linux first, or the call reuses it and the peak does not move.
    ctypes.CDLL(None).malloc_trim(0)
    Path('/proc/self/clear_refs').write_text('5')  # the peak is from now on
    before = _status('VmRSS')
    function()
    return max(_status('VmHWM') - before, 0)


def peak_allocated(function: Callable[[], object]) -> int:
    """Bytes of tensors on the CPU that a call holds at its peak, beyond those that exist before.

    Counts what torch's allocator hands out, as its profiler notes it, and not what libraries such
    as oneDNN allocate by themselves.
    """
    os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # the profiler says when it starts and ends
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, 'trace.json')
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())['traceEvents']
    changes = [event for event in events if event['name'] == '[memory]']
    changes.sort(key=lambda event: event['ts'])
    return max(itertools.accumulate((event['args']['Bytes'] for event in changes), initial=0))
