"""Starts a tool on several processes by torchrun, restarts them after a crash, and ends with them.

Importing this takes torch alone: what the processes import is their own affair.
"""

import logging
import os
import signal
import socket
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import FrameType

from torch.distributed import run as torchrun
from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.elastic.rendezvous import RendezvousError
from torch.distributed.launcher import api

from .machines import Group
from .processes import FINAL, LAUNCH_NAME, LAUNCHER, SIGNALS, STALLED, USAGE

# Exit codes of processes that a signal has ended in good order.
SIGNALLED = {128 + number for number in SIGNALS}


class Agent(LocalElasticAgent):
    """torchrun's agent, which does not restart what was told to end or would fail again."""

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
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


def launch(script: Path, processes: str, arguments: Sequence[str]) -> int:
    """Run a script on several processes.

    Args:
        script: A tool that has the option ``--launcher``.
        processes: Number of processes on this machine.
        arguments: Of the script.

    Returns:
        The exit code: 0, that of the process that failed first, or 128 plus the number of a signal.

    Raises:
        ValueError: A number is not allowed; see :meth:`Group.read`.
        OSError: The machines do not find each other.
    """
    group = Group.read(processes, os.environ)
    # Share the cores; left alone, torchrun and mmengine give one to each process, and warn.
    threads = os.environ.setdefault(
        'OMP_NUM_THREADS', str(max(1, len(os.sched_getaffinity(0)) // group.processes))
    )
    os.environ.setdefault('MKL_NUM_THREADS', threads)
    # A store that outlives a restart has the addresses of processes that are gone.
    os.environ['TORCH_DISABLE_SHARE_RDZV_TCP_STORE'] = '1'
    os.environ[LAUNCHER] = str(os.getpid())
    for number in SIGNALS:  # until torchrun handles them itself
        signal.signal(number, _end)
    if 'LOGLEVEL' not in os.environ:
        logging.disable(logging.ERROR)  # the processes and this function say what happens
    setattr(api, 'LocalElasticAgent', Agent)  # noqa: B010, torchrun has no argument for it
    try:
        with group.joined() as name:
            os.environ[LAUNCH_NAME] = name
            command = [str(script), *arguments, '--launcher', 'pytorch']
            torchrun.run(torchrun.parse_args([*group.options(name), *command]))
    except SignalException as ended:
        return 128 + ended.sigval
    except ChildFailedError as error:
        code = find_cause(error.failures)[1].exitcode
        if code < 0:
            print(f'error: {describe_failure(error.failures)}', file=sys.stderr)
        return code if code > 0 else 128 - code
    except RendezvousError as error:
        raise OSError(
            f'the {group.nodes} machines do not meet, or no longer, at {group.address}:{group.port}'
            f' within JOIN_TIMEOUT={group.patience} s: {error}'
        ) from error
    return 0


def _end(signum: int, frame: FrameType | None) -> None:
    raise SignalException(f'signal {signum}', signal.Signals(signum))
