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

from senet_mm.utils.processes import SAME, taken_signals
from senet_mm.utils.progress import end_progress

# Beyond all numbers of signals.
WRITING_FAILED = 1000


class Interrupted(SystemExit):
    """A signal ended the run; the exit code is 128 and its number, as of shells."""

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        self.name = signal.Signals(signum).name


class Watch:
    """Collects what happens to any process, so that all processes act on it at the same iteration.

    Two integers are reduced at each iteration, in one operation over CPUs, where it makes no GPU
    wait: before the optimizer's step, if there is one, so that all processes take it or leave it
    out.

    Attributes:
        signum: The signal that this process has got, 0 for none.
        has_work: Whether there is something to save; before, a signal ends the run at once.
    """

    def __init__(self) -> None:
        self.signum = 0
        self.has_work = False
        self._received_at = 0.0
        self._code: int | None = None  # what was heard before the step of this iteration
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
        former = {number: signal.signal(number, self._receive) for number in taken_signals()}
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
            end_progress()
            os._exit(128 + signum)
        self.signum, self._received_at = signum, time.monotonic()
        if not self.has_work:
            raise Interrupted(signum)

    def wait_for_all(self) -> None:
        """Wait until all processes have come here; torchrun ends the others when one ends."""
        if dist.is_initialized():
            dist.barrier(self._group)

    def ask(self, writing_failed: bool = False, left_out: bool = False) -> bool:
        """Exchange what has happened; all processes must call it, and then :meth:`poll`.

        Args:
            writing_failed: Whether this process could not write a checkpoint.
            left_out: Whether it leaves out the step of its optimizer.

        Returns:
            Whether any process leaves out the step.
        """
        code = WRITING_FAILED if writing_failed else self.signum
        if not dist.is_initialized():
            return left_out
        values = torch.tensor([code, int(left_out)])
        dist.all_reduce(values, dist.ReduceOp.MAX, self._group)
        self._code, left = values.tolist()
        return bool(left)

    def poll(self, writing_failed: bool = False) -> bool:
        """Let all processes know what has happened to any; all must call it.

        After :meth:`ask` nothing is exchanged again.

        Args:
            writing_failed: Whether this process could not write a checkpoint.

        Returns:
            Whether any process could not write a checkpoint.

        Raises:
            Interrupted: A process has got a signal.
        """
        if self._code is None:
            self.ask(writing_failed)
        code, self._code = self._code, None
        if code is None:  # no other process
            code = WRITING_FAILED if writing_failed else self.signum
        if code and code != WRITING_FAILED:
            raise Interrupted(code)
        return code == WRITING_FAILED
