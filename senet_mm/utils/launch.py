"""Starts a tool on several processes by torchrun, restarts them after a crash, and ends with them.

Importing this takes torch alone: what the processes import is their own affair.
"""

import logging
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]  # not listed
from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous import RendezvousConnectionError, RendezvousError
from torch.distributed.launcher import api

from .agent import Agent, EndedElsewhereError, check_others, describe_failure, find_cause, note_end
from .errors import UnreachableError
from .machines import Group
from .processes import LAUNCH_NAME, LAUNCHER, taken_signals
from .progress import end_progress
from .shared_folder import SharedFolder


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
    for number in taken_signals():  # until torchrun handles them itself
        signal.signal(number, _end)
    if 'LOGLEVEL' not in os.environ:
        logging.disable(logging.ERROR)  # the processes and this function say what happens
    # torchrun's own folder would stay.
    with group.joined() as launched, closing(SharedFolder(launched.name)) as folder:
        os.environ[LAUNCH_NAME] = launched.name
        command = [str(script), *arguments, '--launcher', 'pytorch']
        options = torchrun.parse_args([*group.options(launched.name, folder.path), *command])
        try:
            code = _run(options, launched.store)
        except (RendezvousConnectionError, DistError):
            # None: not a lost connection of processes, which have their own line.
            raise UnreachableError(
                f'machine 0 does not answer any more at {group.where}: its launcher was killed, or '
                'it cannot be reached'
            ) from None
        except RendezvousError as error:
            why = f': {error}' if str(error) else ''
            raise OSError(
                f'the {group.nodes} machines do not meet, or no longer, at {group.where} within '
                f'JOIN_TIMEOUT={group.patience} s{why}; allowed: the same line on each of them'
            ) from error
        if code:
            note_end(launched.store, group.node, code)
    return code


def _run(options: Namespace, store: TCPStore | None) -> int:
    """Run torchrun; returns the exit code.

    Raises:
        RendezvousError: The machines do not find each other, and none has said why it ended.
    """
    agents: list[Agent] = []

    def make_agent(*args: Any, **kwargs: Any) -> Agent:
        agents.append(Agent(*args, **kwargs))
        agents[-1].store = store
        return agents[-1]

    setattr(api, 'LocalElasticAgent', make_agent)  # noqa: B010, torchrun has no argument for it
    end_progress()  # the first process shows its own
    try:
        torchrun.run(options)
    except SignalException as ended:
        return _end_by_signal(ended.sigval, agents[-1].killed if agents else ())
    except ChildFailedError as error:
        code = find_cause(error.failures)[1].exitcode
        if code < 0:
            print(f'error: {describe_failure(error.failures)}', file=sys.stderr)
        return code if code > 0 else 128 - code
    except (EndedElsewhereError, RendezvousError) as error:
        try:
            check_others(store)
        except EndedElsewhereError as ended:
            print(f'error: {ended}', file=sys.stderr)
            return ended.code
        raise error
    return 0


def _end_by_signal(number: signal.Signals, killed: Sequence[str]) -> int:
    """The exit code after a signal, for which processes were to save."""
    if not killed:
        return 128 + number
    print(
        f'error: {", ".join(killed)} did not end after {number.name} within SHUTDOWN_TIMEOUT, or '
        'was killed; what followed the last checkpoint is lost',
        file=sys.stderr,
    )
    return 128 + signal.SIGKILL


def _end(signum: int, frame: FrameType | None) -> None:
    raise SignalException(f'signal {signum}', signal.Signals(signum))
