"""Ends a run of several processes that does not get to its first iteration, and says why."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import NoReturn

from mmengine.dist import barrier
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # torch does not list it

from .errors import InputError
from .options import read_integer
from .processes import STALLED, is_first_to_say
from .progress import end_progress, get_display_threads
from .slurm import use_slurm
from .store import open_store, wait_for_port
from .threads import describe_halt, get_used, waits_for_others

NAME = 'START_TIMEOUT'
DEFAULT = '900'
# A process that uses a smaller part of a processor hangs. Measured: sleeping a second at a time
# 0.00003, a download of 10 kB/s 0.0003, waiting for the lock of another's download 0.005.
LEAST_USE = 0.0002
# Seconds after which the others know that one has ended, at the latest.
LONGEST_TICK = 5.0


class Start:
    """Watches the start of a process of several, from its arguments to its first iteration.

    It ends this process if that hangs: it uses no processor time, and does not wait for others.
    A long listing or download goes on. It also ends this process if another one does not answer,
    which has not started, is stopped, or is on a machine that is gone. Rank 0 listens to all, the
    others to rank 0.

    Args:
        timeout: How long either may last, in seconds. Time for which this process is stopped does
            not count.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._rank = int(os.environ['RANK'])
        others = range(1, int(os.environ['WORLD_SIZE']))
        self._others = [0] if self._rank else list(others)
        self._tick = timeout / 20
        self._thread = threading.get_ident()
        self._ended = threading.Event()
        self._heard: dict[int, str] = {}
        self._store: TCPStore | None = None
        self._own = [
            threading.Thread(target=work, daemon=True) for work in (self._watch, self._talk)
        ]
        for thread in self._own:
            thread.start()

    def end(self) -> None:
        """The start is over."""
        self._ended.set()

    def _get_used(self) -> float:
        return get_used([*self._own, *get_display_threads()])

    def _watch(self) -> None:
        used, idle = self._get_used(), 0.0
        heard: Mapping[int, str] = {}
        silent = dict.fromkeys(self._others, 0.0)
        while not self._ended.wait(self._tick):
            # Not by a clock, which also runs while this process is stopped.
            before, used = used, self._get_used()
            # Less than before if a thread has ended.
            is_busy = abs(used - before) > LEAST_USE * self._tick
            idle = 0.0 if is_busy or waits_for_others(self._thread) else idle + self._tick
            if idle >= self.timeout:
                place = describe_halt(self._thread)
                self._stop(f'rank {self._rank} is {place}: what it waits for does not come')
            last, heard = heard, dict(self._heard)
            for rank in self._others:
                is_new = heard.get(rank) != last.get(rank)
                silent[rank] = 0.0 if is_new else silent[rank] + self._tick
            # One that hangs says so itself, before the others.
            late = [rank for rank in self._others if silent[rank] >= self.timeout + 3 * self._tick]
            if late:
                self._stop(describe_silence({rank: heard.get(rank) for rank in late}))

    def _talk(self) -> None:
        """Note again and again where this process is, and read where the others are."""
        address, port = os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT'])
        hosts = not self._rank and os.environ.get('TORCHELASTIC_USE_AGENT_STORE') != 'True'
        while not hosts and not wait_for_port(address, port, time.monotonic() + self._tick):
            if self._ended.is_set():
                return
        # It fails where the store is gone, and waits for ever where rank 0 is stopped.
        with contextlib.suppress(RuntimeError):
            self._store = store = open_store(self.timeout, hosts)
            number = 0
            while not self._ended.wait(min(self._tick, LONGEST_TICK)):
                number += 1
                store.set(_key(self._rank), f'{number} {describe_halt(self._thread)}')
                for rank in self._others:
                    if store.check([_key(rank)]):
                        self._heard[rank] = store.get(_key(rank)).decode()
                if store.check([_key('end')]):
                    os._exit(STALLED)  # another one has said why

    def _stop(self, why: str) -> NoReturn:
        end_progress()
        text = f'no progress for {self.timeout:g} s before the first iteration ({NAME}): {why}'
        if is_first_to_say(text):
            print(f'error (rank {self._rank}): {text}', file=sys.stderr, flush=True)
        # Slurm would let the others wait for some time, and then kill them.
        noting = threading.Thread(target=self._note_end, daemon=True)
        noting.start()
        noting.join(2)
        os._exit(STALLED)

    def _note_end(self) -> None:
        with contextlib.suppress(RuntimeError):
            if self._store:
                self._store.set(_key('end'), '')


def _key(what: object) -> str:
    """A key in the store; torchrun's own store outlives a restart."""
    return f'senet_mm/start/{os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)}/{what}'


_current: Start | None = None


def watch_start(launcher: str) -> None:
    """Watch the start of this process, if it is one of several; see :class:`Start`.

    Args:
        launcher: What has started it, as ``--launcher`` says.

    Raises:
        ValueError: ``START_TIMEOUT`` is not a number of seconds, or srun has not started it.
    """
    global _current
    if launcher == 'slurm':
        use_slurm()
    timeout = read_integer(NAME, os.environ.get(NAME, DEFAULT), 1)
    if launcher in ('pytorch', 'slurm') and int(os.environ.get('WORLD_SIZE', 1)) > 1:
        for name in ('RANK', 'MASTER_ADDR', 'MASTER_PORT'):
            if name not in os.environ:
                raise InputError(f'--launcher {launcher}: {name} is not set; allowed: as torchrun')
        _current = Start(timeout)


def end_start() -> None:
    """Wait until all processes are ready for their first iteration; the start is over."""
    global _current
    if _current:
        barrier()
        _current.end()
        _current = None


def describe_silence(ranks: Mapping[int, str | None]) -> str:
    """Why processes may not answer.

    Args:
        ranks: What each has noted last; None for nothing.
    """
    missing = [str(rank) for rank, heard in ranks.items() if heard is None]
    lines = [
        f'rank {rank} does not answer, and was {heard.partition(" ")[2]}: it is stopped, its '
        'machine cannot be reached, or it works in code that lets no other thread run'
        for rank, heard in ranks.items()
        if heard is not None
    ]
    if missing:
        numbers = ', '.join(missing)
        lines += [f'rank {numbers} has not started: its machine is missing, or its imports hang']
    return '; '.join(lines)
