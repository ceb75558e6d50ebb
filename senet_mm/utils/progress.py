"""Progress of long work, on stderr: bars on a terminal, a plain line now and then elsewhere.

Processes of rank 1 and above, and tools with ``--quiet``, show nothing. Imports are late: a tool
that shows no progress waits for no rich.
"""

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from rich.progress import TaskID

    from .progress_display import Display

T = TypeVar('T')

# In the environment, so that processes which a tool starts are quiet with it.
QUIET = 'SENET_MM_QUIET'


def be_quiet() -> None:
    """Show no progress in this process and those that it starts."""
    os.environ[QUIET] = '1'


def is_quiet() -> bool:
    """Whether the user has asked for no progress."""
    return bool(os.environ.get(QUIET))


def shows_progress() -> bool:
    """Whether this process shows progress: it is of rank 0, and not quiet."""
    # Slurm's number is there before the rank is set from it.
    rank = os.environ.get('RANK') or os.environ.get('SLURM_PROCID') or '0'
    return not is_quiet() and rank == '0' and sys.stderr is not None


class ProgressBar:
    """Progress of one piece of work, in a ``with``; nested ones are drawn together.

    Args:
        what: Name of the work, as ``'epoch'``.
        total: How many there are; None where that is not known.
        unit: What is counted, in the plural: the rate is in ``UNIT/s``.
        done: How many are done already.
        rated: Whether to show a rate.
    """

    def __init__(
        self,
        what: str,
        total: int | None = None,
        unit: str = 'items',
        done: int = 0,
        rated: bool = True,
    ) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self.rated = rated
        self._display: Display | None = None
        self._task: TaskID = 0  # type: ignore[assignment]  # a number, without rich

    def __enter__(self) -> Self:
        global _starting
        starting, _starting = _starting, None
        if shows_progress():
            from .progress_display import open_display

            self._display = open_display()
            self._task = self._display.open(self)
        if starting is not None:
            starting.__exit__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        if self._display is not None:
            self._display.close(self._task)
            self._display = None

    def advance(self, count: int = 1) -> None:
        """So many more are done."""
        self.done += count
        if self._display is not None:
            self._display.move(self._task, count)

    def expect(self, seconds: float) -> None:
        """So long it will take until the end, where the rate of what was done does not say it."""
        if self._display is not None:
            self._display.expect(self._task, seconds)

    def note(self, text: str) -> None:
        """Show a line about what is done now: a name, scores. It replaces the last one."""
        if self._display is not None:
            self._display.note(self._task, text)


def track(
    items: Iterable[T], what: str, total: int | None = None, unit: str = 'items'
) -> Iterator[T]:
    """The items, one after the other, with a bar; see :class:`ProgressBar`.

    Args:
        items: What is gone through.
        what: Name of the work.
        total: Number of items, by default their length if they have one.
        unit: What the items are, in the plural.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with ProgressBar(what, total, unit) as bar:
        for item in items:
            yield item
            bar.advance()


_starting: ProgressBar | None = None


def show_start() -> None:
    """Show that a tool starts, until it shows other progress or ends."""
    global _starting
    _starting = ProgressBar('starting', rated=False).__enter__()


def end_progress() -> None:
    """Take all bars away, where no ``with`` does: before a process is ended at once, in errors."""
    if display := sys.modules.get('senet_mm.utils.progress_display'):
        display.end_display()


def get_display_threads() -> list[threading.Thread]:
    """The threads that show progress; their work is none of the tool's."""
    display = sys.modules.get('senet_mm.utils.progress_display')
    return display.get_threads() if display else []
