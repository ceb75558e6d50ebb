"""Starts a tool on several processes by torchrun, restarts them after a crash, and ends with them.

Importing this takes torch alone: what the processes import is their own affair.
"""

import contextlib
import logging
import os
import re
import signal
import socket
import sys
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch.distributed import (  # type: ignore[attr-defined]  # torch does not list them
    DistError,
    TCPStore,
)
from torch.distributed import run as torchrun
from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.elastic.rendezvous import RendezvousError
from torch.distributed.launcher import api

from .options import check_integer
from .processes import FINAL, SIGNALS, STALLED

# Exit codes of processes that a signal has ended in good order.
SIGNALLED = {128 + number for number in SIGNALS}


class Group(NamedTuple):
    """The processes of a run, from the environment.

    Attributes:
        processes: Number of processes on this machine.
        nodes: Number of machines.
        node: Number of this machine.
        address: Address of machine 0, which hosts the store; empty on one machine.
        port: Port of the store on machine 0.
        restarts: How often the group is restarted after a crash.
        grace: Time that processes have to save after a signal, in seconds.
        patience: Time that machines wait for each other, in seconds.
    """

    processes: int
    nodes: int
    node: int
    address: str
    port: int
    restarts: int
    grace: int
    patience: int

    @classmethod
    def read(cls, processes: str, environment: Mapping[str, str]) -> 'Group':
        """Read the number of processes, and the variables of the environment.

        Raises:
            ValueError: One of them is not allowed, or ``MASTER_ADDR`` is missing.
        """
        gpus = torch.cuda.device_count()
        count = _integer('N', processes, 1)
        if 0 < gpus < count:
            raise ValueError(
                f'N={count}, and this machine has {gpus} GPU(s); allowed: 1 to {gpus}, or '
                'CUDA_VISIBLE_DEVICES= to use the CPU'
            )
        given = environment.get
        group = cls(
            count,
            nodes := _integer('NNODES', given('NNODES', '1'), 1),
            _integer('NODE_RANK', given('NODE_RANK', '0'), 0),
            given('MASTER_ADDR', ''),
            _integer('PORT', given('PORT', '29500'), 1),
            _integer('MAX_RESTARTS', given('MAX_RESTARTS', '3'), 0),
            _integer('SHUTDOWN_TIMEOUT', given('SHUTDOWN_TIMEOUT', '60'), 1),
            _integer('JOIN_TIMEOUT', given('JOIN_TIMEOUT', '50'), 1),
        )
        if group.node >= nodes:
            raise ValueError(f'NODE_RANK={group.node}, NNODES={nodes}; allowed: 0 to {nodes - 1}')
        if group.port > 65535:
            raise ValueError(f'PORT={group.port}; allowed: 1 to 65535')
        for name in ('MASTER_ADDR', 'NODE_RANK') if nodes > 1 else ():
            if not given(name):
                raise ValueError(
                    f'NNODES={nodes} without {name}; allowed: on each machine its number as '
                    'NODE_RANK, from 0, and the address of machine 0 as MASTER_ADDR'
                )
        return group

    def options(self, name: str) -> list[str]:
        """Options of torchrun; those that an old one does not know are left out.

        Args:
            name: The same on all machines, and another one for each launch.
        """
        rendezvous = ['--standalone']
        if self.nodes > 1:
            rendezvous = ['--rdzv-backend=c10d', f'--rdzv-endpoint={self.address}:{self.port}']
            conf = f'join_timeout={self.patience},read_timeout={self.patience}'
            rendezvous += [f'--rdzv-id={name}', f'--rdzv-conf={conf},is_host={int(not self.node)}']
        options = [
            f'--nnodes={self.nodes}',
            f'--nproc-per-node={self.processes}',
            f'--max-restarts={self.restarts}',
            f'--shutdown-timeout={self.grace}',
            '--signals-to-handle=' + ','.join(number.name for number in SIGNALS),
        ]
        known = torchrun.get_args_parser()._option_string_actions
        return [*rendezvous, *(o for o in options if o.partition('=')[0] in known)]

    @contextlib.contextmanager
    def joined(self) -> Iterator[str]:
        """Host the store of machine 0, or reach it; gives a name that machine 0 has drawn.

        Raises:
            OSError: The address is unknown, the port is taken, or nobody answers there.
        """
        if self.nodes == 1:
            yield ''
            return
        where = f'MASTER_ADDR={self.address} PORT={self.port}'
        try:
            socket.getaddrinfo(self.address, self.port)
        except OSError as error:
            raise OSError(f'{where}: there is no such address ({error.strerror})') from error
        hosts, patience = self.node == 0, timedelta(seconds=self.patience)
        if hosts:
            _check_port(where, self.port)
        try:
            # torchrun's own on this port shares the server of this one.
            store = TCPStore(
                self.address, self.port, is_master=hosts, multi_tenant=True, timeout=patience,
                wait_for_workers=False,
            )  # fmt: skip
            if hosts:
                store.set('senet_mm', uuid.uuid4().hex)
            name = store.get('senet_mm').decode()
        except DistError as error:
            raise OSError(
                f'{where}: machine 0 does not answer within JOIN_TIMEOUT={self.patience} s; '
                'allowed: its address, and the same line there with NODE_RANK=0'
            ) from error
        yield name


def _check_port(where: str, port: int) -> None:
    try:
        socket.create_server(('', port)).close()
    except OSError as error:
        raise OSError(f'{where}: the port is taken; allowed: another PORT') from error


class Agent(LocalElasticAgent):
    """torchrun's agent, which does not restart what was told to end or would fail again."""

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        result = super()._monitor_workers(worker_group)
        if result.failures and is_final(result.failures.values()):
            self._remaining_restarts = 0
        elif result.failures and self._remaining_restarts:
            total = worker_group.spec.max_restarts
            number = total - self._remaining_restarts + 1
            print(f'{describe(result.failures)}; restart {number} of {total}', file=sys.stderr)
        return result


def is_final(failures: Collection[ProcessFailure]) -> bool:
    """Whether the processes were told to end, or one has answered the user, who must act first."""
    # Of processes that failed otherwise, torchrun has told the others to end.
    if all(failure.exitcode in SIGNALLED for failure in failures):
        return True
    return any(FINAL in failure.error_file_data for failure in failures)


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


def describe(failures: Mapping[int, ProcessFailure]) -> str:
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
    for number in SIGNALS:  # until torchrun handles them itself
        signal.signal(number, _end)
    if 'LOGLEVEL' not in os.environ:
        logging.disable(logging.ERROR)  # the processes and this function say what happens
    setattr(api, 'LocalElasticAgent', Agent)  # noqa: B010, torchrun has no argument for it
    try:
        with group.joined() as name:
            command = [str(script), *arguments, '--launcher', 'pytorch']
            torchrun.run(torchrun.parse_args([*group.options(name), *command]))
    except SignalException as ended:
        return 128 + ended.sigval
    except ChildFailedError as error:
        code = find_cause(error.failures)[1].exitcode
        if code < 0:
            print(f'error: {describe(error.failures)}', file=sys.stderr)
        return code if code > 0 else 128 - code
    except RendezvousError as error:
        raise OSError(
            f'the {group.nodes} machines did not meet at {group.address}:{group.port} within '
            f'JOIN_TIMEOUT={group.patience} s ({error})'
        ) from error
    return 0


def _end(signum: int, frame: FrameType | None) -> None:
    raise SignalException(f'signal {signum}', signal.Signals(signum))


def _integer(name: str, given: str, least: int) -> int:
    value: Any = int(given) if re.fullmatch(r'-?[0-9]+', given) else given
    check_integer(name, value, least)
    return int(value)
