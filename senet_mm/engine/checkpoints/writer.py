"""Checkpoints are written by a thread, from a copy, one after the other."""

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch

from senet_mm.utils.files import atomic_file
from senet_mm.utils.storage import StorageError, find_reason


class Writer:
    """Runs one job at a time in a thread; an error of a job comes up where it is waited for.

    Attributes:
        seconds: Time that training lost by waiting and copying, in seconds.
        count: Number of checkpoints.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, 'checkpoints')
        self._job: Future | None = None
        self.seconds = 0.0
        self.count = 0

    @property
    def has_failed(self) -> bool:
        """Whether the last job has ended with an error."""
        return self._job is not None and self._job.done() and self._job.exception() is not None

    def submit(self, make_job: Callable[[], Callable[[], None]]) -> None:
        """Start a job when the one before is done.

        Args:
            make_job: Copies the state, and returns what is to be done in the thread.

        Raises:
            Exception: That of the job before.
        """
        start = time.perf_counter()
        self.join()
        self._job = self._threads.submit(make_job())
        self.seconds += time.perf_counter() - start
        self.count += 1

    def join(self) -> None:
        """Wait for the last job; its error is raised once."""
        job, self._job = self._job, None
        if job is not None:
            job.result()


def write_checkpoint(state: dict, path: str, then: Callable[[], None] | None = None) -> None:
    """Write a checkpoint that is either whole or not there; its records carry their CRC-32.

    Args:
        state: The state, which nobody changes meanwhile.
        path: Its path.
        then: What is to be done when the file is whole.

    Raises:
        StorageError: It cannot be written.
    """
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with atomic_file(path) as file:
            torch.save(state, file)
        if then:
            then()
    except (OSError, RuntimeError) as error:
        reason = find_reason(error)
        if reason is None:
            raise
        raise StorageError(
            f'checkpoint {path} cannot be written: {reason}; those that were written before are '
            'whole, and the same command with --resume continues from the last of them'
        ) from error
