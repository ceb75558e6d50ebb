"""The machines and processes of a run, from the environment, as options of torchrun."""

import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import torch
from torch.distributed import (  # type: ignore[attr-defined]  # torch does not list them
    DistError,
    TCPStore,
)
from torch.distributed import run as torchrun

from .names import counted
from .options import read_integer
from .processes import taken_signals
from .store import wait_for_port


class Launch(NamedTuple):
    """A launch of a run.

    Attributes:
        name: The same on all machines, and another one for each launch.
        store: The store of the machines; None on one machine.
    """

    name: str
    store: TCPStore | None


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
        count = read_integer('N', processes, 1)
        if 0 < gpus < count:
            raise ValueError(
                f'N={count}, and this machine has {counted(gpus, "GPU")}; allowed: 1 to {gpus}, or '
                'CUDA_VISIBLE_DEVICES= to use the CPU'
            )
        given = environment.get
        group = cls(
            count,
            nodes := read_integer('NNODES', given('NNODES', '1'), 1),
            read_integer('NODE_RANK', given('NODE_RANK', '0'), 0),
            given('MASTER_ADDR', ''),
            read_integer('PORT', given('PORT', '29500'), 1),
            read_integer('MAX_RESTARTS', given('MAX_RESTARTS', '3'), 0),
            read_integer('SHUTDOWN_TIMEOUT', given('SHUTDOWN_TIMEOUT', '60'), 1),
            read_integer('JOIN_TIMEOUT', given('JOIN_TIMEOUT', '50'), 1),
        )
        if group.node >= nodes:
            highest = f'0 to {nodes - 1}' if nodes > 1 else '0, or more than one machine'
            raise ValueError(f'NODE_RANK={group.node}, NNODES={nodes}; allowed: {highest}')
        if group.port > 65535:
            raise ValueError(f'PORT={group.port}; allowed: 1 to 65535')
        for name in ('MASTER_ADDR', 'NODE_RANK') if nodes > 1 else ():
            if not given(name):
                raise ValueError(
                    f'NNODES={nodes} without {name}; allowed: on each machine its number as '
                    'NODE_RANK, from 0, and the address of machine 0 as MASTER_ADDR'
                )
        return group

    @property
    def where(self) -> str:
        """Where the machines meet, in the user's words."""
        return f'MASTER_ADDR={self.address} PORT={self.port}'

    def options(self, name: str, folder: Path) -> list[str]:
        """Options of torchrun; those that an old one does not know are left out.

        Args:
            name: The same on all machines, and another one for each launch.
            folder: For files of the processes.
        """
        rendezvous = ['--standalone']
        if self.nodes > 1:
            rendezvous = ['--rdzv-backend=c10d', f'--rdzv-endpoint={self.address}:{self.port}']
            conf = f'join_timeout={self.patience},read_timeout={self.patience}'
            rendezvous += [f'--rdzv-id={name}', f'--rdzv-conf={conf},is_host={int(not self.node)}']
        options = [
            f'--nnodes={self.nodes}',
            f'--nproc-per-node={self.processes}',
            f'--log-dir={folder}',
            f'--max-restarts={self.restarts}',
            f'--shutdown-timeout={self.grace}',
            '--signals-to-handle=' + ','.join(number.name for number in taken_signals()),
        ]
        known = torchrun.get_args_parser()._option_string_actions
        return [*rendezvous, *(o for o in options if o.partition('=')[0] in known)]

    @contextlib.contextmanager
    def joined(self) -> Iterator[Launch]:
        """Host the store of machine 0, or reach it; machine 0 draws the name of the launch.

        Raises:
            OSError: The address is unknown, the port is taken, or nobody answers there.
        """
        if self.nodes == 1:
            yield Launch(uuid.uuid4().hex, None)
            return
        try:
            socket.getaddrinfo(self.address, self.port)
        except OSError as error:
            raise OSError(f'{self.where}: there is no such address ({error.strerror})') from error
        if self.node == 0:
            self._check_port()
        found = self._meet()
        if found is None:
            raise OSError(
                f'{self.where}: machine 0 does not answer within JOIN_TIMEOUT={self.patience} s; '
                'allowed: its address, and the same line there with NODE_RANK=0'
            )
        yield found

    def _check_port(self) -> None:
        """Raise an OSError if the port is taken, or is not that of this machine."""
        try:
            server = open_port(self.port)
        except OSError as error:
            raise OSError(f'{self.where}: the port is taken; allowed: another PORT') from error
        # Where TCPStore does not reach itself it prints its stack, and aborts.
        with server:
            if not wait_for_port(self.address, self.port, time.monotonic() + self.patience):
                raise OSError(
                    f'{self.where}: machine 0 does not reach itself there; allowed: an address of '
                    'the machine with NODE_RANK=0'
                )

    def _meet(self) -> Launch | None:
        """The store, and the name in it; None if machine 0 does not answer in time."""
        end = time.monotonic() + self.patience
        if self.node and not wait_for_port(self.address, self.port, end):
            return None
        found: list[Launch] = []
        # It waits for ever when something else listens.
        meeting = threading.Thread(target=self._read_name, args=(found, end), daemon=True)
        meeting.start()
        meeting.join(max(1, end - time.monotonic()))
        return found[0] if found else None

    def _read_name(self, found: list[Launch], end: float) -> None:
        hosts, patience = self.node == 0, timedelta(seconds=max(1, end - time.monotonic()))
        with contextlib.suppress(DistError):
            # torchrun's own on this port shares the server of this one.
            store = TCPStore(
                self.address, self.port, is_master=hosts, multi_tenant=True, timeout=patience,
                wait_for_workers=False,
            )  # fmt: skip
            if hosts:
                store.set('senet_mm', uuid.uuid4().hex)
            found.append(Launch(store.get('senet_mm').decode(), store))


def open_port(port: int) -> socket.socket:
    """Listen on all addresses of this machine, those of IPv6 too, where there are any."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(('', port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(('', port))
