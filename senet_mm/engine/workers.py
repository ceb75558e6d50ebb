"""Processes that load data, and signals.

Terminals and Slurm signal all processes of a run. The main process then ends the iteration and
saves, for which it needs its workers.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator

from senet_mm.utils.processes import SIGNALS, end_with_parent


@contextlib.contextmanager
def blocked_signals() -> Iterator[None]:
    """Signals wait; processes that are started here never get them."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def start_worker(
    init: Callable[[int], None] | None,
    number: int,
    with_parent: bool = False,
    is_child: bool = False,
) -> None:
    """Initialise a worker that was started with :func:`blocked_signals`.

    Args:
        init: The function that initialises it otherwise.
        number: Number of the worker.
        with_parent: End with the thread that started the worker, even if it is killed.
        is_child: The process that has the loader has started it itself, not a forkserver.
    """
    if with_parent:
        parent = multiprocessing.parent_process()
        end_with_parent(parent.pid if parent and is_child else None)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if init is not None:
        init(number)


def _end_with_parent() -> None:
    """End the process when its parent, and nobody else, sends SIGTERM: so torch ends workers."""
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != os.getppid():
        pass
    os._exit(0)
