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
# Beginnings of the names that torch and gloo give to threads of theirs.
IDLE = ('pt_', 'gloo')
# Code in which a process waits for the others of its group.
WAITING = os.path.join('torch', 'distributed', '')


def describe_halt(thread: int) -> str:
    """What a thread does, and which loader workers of this process are stopped.

    Args:
        thread: Its identifier.
    """
    place = 'gone'
    if frame := sys._current_frames().get(thread):
        # The standard library's own lines tell little.
        frames = [each for each, _ in traceback.walk_stack(frame)]
        own = (each for each in frames if not is_standard(each.f_code.co_filename))
        last = next(own, frames[0])
        # No source is read: its file server may be what does not answer.
        file = Path(last.f_code.co_filename).name
        place = f'in {last.f_code.co_name} of {file}:{last.f_lineno}'
    for child in multiprocessing.active_children():
        with contextlib.suppress(OSError):
            if _read_stat(PROCESSES / str(child.pid))[0] in 'Tt':
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
    """Processor time of this process and of all that descend from it, in seconds.

    The threads in which gloo, NCCL and the store wait for messages do not count: they always use
    some. If the kernel does not tell the time of a thread, they count, and the process never seems
    idle.

    Args:
        without: Threads of this process that do not count.
    """
    if not (PROCESSES / 'thread-self/schedstat').exists():
        return time.process_time()
    left_out = {str(thread.native_id) for thread in without}
    own = os.getpid()
    return sum(
        _get_time(task)
        for process in (own, *_find_descendants(own))
        for task in PROCESSES.glob(f'{process}/task/*')
        if task.name not in left_out
    )


def _get_time(task: Path) -> float:
    """Processor time of a thread in seconds; 0 if it waits for messages alone, or has ended."""
    with contextlib.suppress(OSError):
        if not _read(task, 'comm').startswith(IDLE):
            return int(_read(task, 'schedstat').split()[0]) / 1e9
    return 0.0


def _find_descendants(ancestor: int) -> set[int]:
    """The processes that a process has started, and those that these have started."""
    parents = {}
    for folder in PROCESSES.glob('[0-9]*'):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int(_read_stat(folder)[1])
    below = {ancestor}
    while found := {child for child, parent in parents.items() if parent in below} - below:
        below |= found
    return below - {ancestor}


def _read(folder: Path, name: str) -> str:
    return (folder / name).read_text()


def _read_stat(process: Path) -> list[str]:
    """State, parent and so on: the fields after the name of a process, which is in brackets."""
    return _read(process, 'stat').rpartition(') ')[2].split()
