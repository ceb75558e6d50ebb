"""What ends a run: a signal to one process, a checkpoint that cannot be written."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

import torch
import torch.distributed as dist

from senet_mm.utils.processes import SIGNALS
from senet_mm.utils.storage import StorageError

# Beyond all numbers of signals.
WRITING_FAILED = 1000
# Seconds in which a signal that comes again is the same one.
SAME = 1.0


class Interrupted(SystemExit):
    """A signal ended the run; the exit code is 128 and its number, as of shells."""

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        self.name = signal.Signals(signum).name


class Watch:
    """Collects what happens to any process, so that all processes act on it at the same iteration.

    One integer is reduced at each iteration, over CPUs, where it makes no GPU wait.

    Attributes:
        signum: The signal that this process has got, 0 for none.
        has_work: Whether there is something to save; before, a signal ends the run at once.
    """

    def __init__(self) -> None:
        self.signum = 0
        self.has_work = False
        self._received_at = 0.0
        self._group: dist.ProcessGroup | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take signals; a second one ends the process at once."""
        self.signum, self.has_work = 0, False
        if self._group is None and dist.is_initialized() and dist.get_backend() != 'gloo':
            group = dist.new_group(backend='gloo')
            assert isinstance(group, dist.ProcessGroup)
            self._group = group
        if threading.current_thread() is not threading.main_thread():
            yield  # signals go to the main thread
            return
        former = {number: signal.signal(number, self._receive) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        if self.signum:
            # A scheduler signals all processes, and torchrun passes its own signal on.
            if signum == self.signum and time.monotonic() - self._received_at < SAME:
                return
            os._exit(128 + signum)
        self.signum, self._received_at = signum, time.monotonic()
        if not self.has_work:
            raise Interrupted(signum)

    def wait_for_all(self) -> None:
        """Wait until all processes have come here; torchrun ends the others when one ends."""
        if dist.is_initialized():
            dist.barrier(self._group)

    def poll(self, writing_failed: bool = False) -> None:
        """Let all processes know what has happened to any; all must call it.

        Args:
            writing_failed: Whether this process could not write a checkpoint.

        Raises:
            Interrupted: A process has got a signal.
            StorageError: Another process could not write a checkpoint.
        """
        code = WRITING_FAILED if writing_failed else self.signum
        if dist.is_initialized():
            value = torch.tensor(code)
            dist.all_reduce(value, dist.ReduceOp.MAX, self._group)
            code = int(value)
        if code == WRITING_FAILED and not writing_failed:
            raise StorageError('another process could not write a checkpoint')
        if code and code != WRITING_FAILED:
            raise Interrupted(code)
