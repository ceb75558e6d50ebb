"""torchrun's agent: starts the processes of a machine, restarts them, ends with the others."""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from subprocess import Popen
from types import FrameType

from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]  # not listed
from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from .processes import FINAL, SAME, SIGNALS, STALLED, USAGE, taken_signals

# Exit codes of processes that a signal has ended in good order.
SIGNALLED = {128 + number for number in SIGNALS}


# In the store of the machines: one that has ended for good, and its exit code.
ENDED = 'senet_mm/ended'


class EndedElsewhereError(Exception):
    """The launcher of another machine has ended.

    Args:
        node: Number of the machine.
        code: Its exit code.
    """

    def __init__(self, node: int, code: int) -> None:
        if code in SIGNALLED:
            how = f'was ended by {signal.Signals(code - 128).name}'
        else:
            how = f'has ended with code {code}, and says why'
        super().__init__(f'machine {node} {how}')
        self.code = code


def note_end(store: TCPStore | None, node: int, code: int) -> None:
    """Let the other machines know that this one has ended for good."""
    if store is not None:
        with contextlib.suppress(DistError):
            store.set(ENDED, f'{node} {code}')
            if node == 0:
                time.sleep(1)  # its launcher has the store, which the others read meanwhile


def check_others(store: TCPStore | None) -> None:
    """Raise an error if another machine has ended for good; its store may be gone."""
    if store is not None:
        with contextlib.suppress(DistError):
            if store.check([ENDED]):
                node, code = map(int, store.get(ENDED).split())
                raise EndedElsewhereError(node, code)


class Agent(LocalElasticAgent):
    """torchrun's agent, which does not restart what was told to end or would fail again.

    Attributes:
        store: The store of the machines; None on one machine.
        killed: The processes that were killed when the others ended, for messages.
    """

    store: TCPStore | None = None
    killed: tuple[str, ...] = ()

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        check_others(self.store)
        result = super()._monitor_workers(worker_group)
        if result.failures and is_final(result.failures.values()):
            self._remaining_restarts = 0
        elif result.failures and self._remaining_restarts:
            total = worker_group.spec.max_restarts
            number = total - self._remaining_restarts + 1
            print(
                f'{describe_failure(result.failures)}; restart {number} of {total}', file=sys.stderr
            )
        return result

    def _shutdown(self, *args: object, **kwargs: object) -> None:
        for _, process in self._processes():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGCONT)  # a stopped one gets no other signal
        # Only after a signal has its number.
        with self._second_signal_kills() if args else contextlib.nullcontext():
            super()._shutdown(*args, **kwargs)  # type: ignore[arg-type]
        self.killed = tuple(
            f'rank {rank} (process {process.pid} on {socket.gethostname()})'
            for rank, process in self._processes()
            if process.returncode == -signal.SIGKILL
        )

    @contextlib.contextmanager
    def _second_signal_kills(self) -> Iterator[None]:
        """Another signal kills the processes; torchrun would send SIGTERM, and wait anew."""
        begun = time.monotonic()

        def kill(signum: int, frame: FrameType | None) -> None:
            if time.monotonic() - begun > SAME:
                for _, process in self._processes():
                    process.kill()

        former = {number: signal.signal(number, kill) for number in taken_signals()}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _processes(self) -> Iterator[tuple[int, Popen]]:
        """The processes of this machine by rank."""
        handlers = getattr(self._pcontext, 'subprocess_handlers', {})
        for worker in self._worker_group.workers:
            if worker.local_rank in handlers:
                yield worker.global_rank, handlers[worker.local_rank].proc


def is_final(failures: Collection[ProcessFailure]) -> bool:
    """Whether the processes were told to end, or one has answered the user, who must act first."""
    # Of processes that failed otherwise, torchrun has told the others to end.
    if all(failure.exitcode in SIGNALLED for failure in failures):
        return True
    return any(
        failure.exitcode == USAGE or FINAL in failure.error_file_data for failure in failures
    )


def find_cause(failures: Mapping[int, ProcessFailure]) -> tuple[int, ProcessFailure]:
    """Rank and failure of the process because of which the others failed."""

    def order(item: tuple[int, ProcessFailure]) -> tuple[int, int]:
        code = item[1].exitcode
        if code == STALLED:
            place = 0
        elif code in (-signal.SIGTERM, *SIGNALLED):
            place = 3  # torchrun has told them to end
        else:
            place = 1 if code < 0 else 2
        return place, item[1].timestamp

    return min(failures.items(), key=order)


def describe_failure(failures: Mapping[int, ProcessFailure]) -> str:
    """Which process failed, and how."""
    rank, failure = find_cause(failures)
    code = failure.exitcode
    how = f'was killed by {failure.signal_name()}' if code < 0 else f'ended with code {code}'
    return f'rank {rank} (process {failure.pid} on {socket.gethostname()}) {how}'
