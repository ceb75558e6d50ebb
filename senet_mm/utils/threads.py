"""What the threads of this process do."""

import contextlib
import multiprocessing
import os
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Collection
from pathlib import Path

STANDARD = os.path.join(sysconfig.get_path('stdlib'), '')
# What Linux tells of processes.
PROCESSES = Path('/proc')
# Code in which a process waits for the others of its group.
WAITING = os.path.join('torch', 'distributed', '')


def describe_halt(thread: int) -> str:
    """What a thread does, and which loader workers of this process are stopped.

    Args:
        thread: Its identifier.
    """
    place = 'gone'
    if frame := sys._current_frames().get(thread):
        stack = traceback.extract_stack(frame)
        # The standard library's own lines tell little.
        last = next((line for line in reversed(stack) if not is_standard(line.filename)), stack[-1])
        place = f'in {last.name} of {Path(last.filename).name}:{last.lineno}'
    for child in multiprocessing.active_children():
        with contextlib.suppress(OSError):
            # The state follows the name, which is in brackets.
            if (PROCESSES / f'{child.pid}/stat').read_text().rpartition(') ')[2][0] in 'Tt':
                place += f', its loader worker {child.pid} is stopped'
    return place


def is_standard(filename: str) -> bool:
    """Whether code is Python's own."""
    if filename.startswith('<frozen '):
        return True
    return filename.startswith(STANDARD) and f'-packages{os.sep}' not in filename


def waits_for_others(thread: int) -> bool:
    """Whether a thread is in an operation of all processes, such as a reduction.

    Args:
        thread: Its identifier.
    """
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if WAITING in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def get_used(without: Collection[threading.Thread]) -> float:
    """Processor time of Python's threads in this process, and of child processes, in seconds.

    Threads of libraries do not count: those of gloo and NCCL always use some. If the kernel tells
    no time or no children of a thread, they count, and the process never seems idle.

    Args:
        without: Threads that do not count.
    """
    own = PROCESSES / 'thread-self'
    if not ((own / 'schedstat').exists() and (own / 'children').exists()):
        return time.process_time()
    nanoseconds = 0
    for thread in set(threading.enumerate()) - set(without):
        task = PROCESSES / f'self/task/{thread.native_id}'
        with contextlib.suppress(OSError):  # it has ended
            nanoseconds += _read_used(task)
            children = (task / 'children').read_text().split()
            nanoseconds += sum(_read_used(PROCESSES / child) for child in children)
    return nanoseconds / 1e9


def _read_used(task: Path) -> int:
    return int((task / 'schedstat').read_text().split()[0])
