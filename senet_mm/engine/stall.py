"""Ends a run that makes no progress, and says for which process the others wait."""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple, NoReturn

from mmengine.dist import get_rank, get_world_size

from senet_mm.utils.processes import STALLED
from senet_mm.utils.progress import end_progress
from senet_mm.utils.store import open_store
from senet_mm.utils.threads import describe_halt

NAME = 'default_hooks.stall.timeout'


class Standstill(NamedTuple):
    """Where a process has come to a standstill.

    Attributes:
        steps: Steps of progress that it has made.
        place: What it does.
    """

    steps: int
    place: str


class Progress:
    """Counts the steps of a process, and ends it when there is none for too long.

    Each process notes where it stands in the store of the group; one that is stopped, or whose
    machine is gone, does not.

    Args:
        timeout: The longest time without a step, in seconds. Time for which the whole process is
            stopped does not count.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._steps = 0
        self._is_watched = False

    def step(self) -> None:
        """Note some progress."""
        self._steps += 1

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """End the process when there is no step for too long."""
        if self._is_watched:
            yield
            return
        self._is_watched, ended = True, threading.Event()
        main = threading.get_ident()
        threading.Thread(target=self._watch, args=(main, ended), daemon=True).start()
        try:
            yield
        finally:
            self._is_watched = False
            ended.set()

    @property
    def _patience(self) -> float:
        """Time to wait for the notes of the others, in seconds; all begin to wait in one step."""
        return max(2, self.timeout / 10)

    def _watch(self, thread: int, ended: threading.Event) -> None:
        tick = self.timeout / 20
        steps, idle = self._steps, 0.0
        while not ended.wait(tick):
            # Not by a clock, which also runs while this process is stopped.
            steps, idle = self._steps, idle + tick if steps == self._steps else 0.0
            if idle >= self.timeout:
                own = Standstill(steps, describe_halt(thread))
                _end(self.timeout, own, _exchange(own, self._patience))


def _end(timeout: float, own: Standstill, ranks: Mapping[int, Standstill | None]) -> NoReturn:
    """End this process; the first of those that answer says why."""
    rank = get_rank()
    end_progress()
    if rank == min((r for r, found in ranks.items() if found), default=rank):
        who = f'error (rank {rank})' if len(ranks) > 1 else 'error'
        why = describe_standstill(ranks) if len(ranks) > 1 else f'the process is {own.place}'
        print(f'{who}: no progress for {timeout:g} s ({NAME}): {why}', file=sys.stderr, flush=True)
    if len(ranks) > 1:
        time.sleep(2)  # the first that ends fails the others, which still read and print
    os._exit(STALLED)


def describe_standstill(ranks: Mapping[int, Standstill | None]) -> str:
    """For which processes the others wait.

    Args:
        ranks: Where each stands; None for one that does not answer.
    """
    silent = [rank for rank, found in ranks.items() if found is None]
    if 0 in silent:
        silent = [0]  # through it the others are known
    if silent:
        numbers = ', '.join(map(str, silent))
        return f'rank {numbers} does not answer: it is stopped, or its machine cannot be reached'
    answers = {rank: found for rank, found in ranks.items() if found}
    least = min(found.steps for found in answers.values())
    late = {rank: found for rank, found in answers.items() if found.steps == least}
    return ', '.join(f'rank {rank} is {found.place}' for rank, found in late.items())


def _exchange(own: Standstill, patience: float) -> dict[int, Standstill | None]:
    """Where each process stands; None for those that do not answer."""
    ranks: dict[int, Standstill | None] = dict.fromkeys(range(get_world_size()))
    ranks[get_rank()] = own
    if len(ranks) > 1 and 'MASTER_PORT' in os.environ:
        # The store blocks while rank 0, which has it, is stopped; so does a connection to it.
        asking = threading.Thread(target=_ask, args=(ranks, patience), daemon=True)
        asking.start()
        asking.join(2 * patience)
    return dict(ranks)


def _ask(ranks: dict[int, Standstill | None], patience: float) -> None:
    """Note where this process stands, and read where the others do, as they note it."""
    key = 'standstill/{}'.format
    end = time.monotonic() + patience
    with contextlib.suppress(RuntimeError):  # the store is gone
        store = open_store(patience)
        store.set(key(get_rank()), json.dumps(ranks[get_rank()]))
        while None in ranks.values() and time.monotonic() < end:
            for rank, found in list(ranks.items()):
                if found is None and store.check([key(rank)]):
                    ranks[rank] = Standstill(*json.loads(store.get(key(rank))))
            time.sleep(0.1)
