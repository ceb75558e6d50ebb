"""What :mod:`senet_mm.utils.progress` shows, drawn by rich."""

import contextlib
import math
import os
import stat
import sys
import threading
import time
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from .names import escape_acting, format_number
from .progress import ProgressBar

# Seconds without any output after which a plain line says where the work is.
SILENCE = 30.0
# Seconds between such lines.
INTERVAL = 30.0
# Columns of a terminal that has no room for a bar beside the numbers.
NARROW = 60
# Columns that are left free for what the terminal echoes, such as ^C: on a line of its own it would
# be taken for one of the bars when they go.
ECHO = 4
# Held while something is written about progress, and while the process is forked.
WRITING = threading.RLock()


def is_drawn() -> bool:
    """Whether bars are drawn: on a terminal, where no pipe brings other text to it."""
    try:
        through_pipe = stat.S_ISFIFO(os.fstat(1).st_mode)
    except OSError:  # closed
        through_pipe = False
    return sys.stderr.isatty() and os.environ.get('TERM') != 'dumb' and not through_pipe


def format_time(seconds: float) -> str:
    """``0:07``, ``12:40``, ``3:05:00``, ``2 d 3:05:00``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    clock = f'{hour}:{minute:02}:{second:02}' if hours else f'{minute}:{second:02}'
    return f'{days} d {clock}' if days else clock


def describe_task(task: Task, short: bool = False) -> str:
    """``1,200/5,000, 83 images/s, 0:46 left``, as far as it is known.

    Args:
        task: The work.
        short: Leave out the unit.
    """
    unit = '' if short else task.fields['unit']
    # Over the whole work: what is done in bursts, as batches, has no other rate.
    speed = (task.completed - task.fields['done']) / max(task.elapsed or 0, 1e-3)
    rate = f'{format_number(speed)} {unit}/s' if task.fields['rated'] and speed else ''
    counted = '' if rate else f' {unit}'  # it is named once
    facts = []
    if task.total is not None:
        facts.append(f'{task.completed:,.0f}/{task.total:,.0f}{counted}'.rstrip())
    elif task.completed:
        facts.append(f'{task.completed:,.0f}{counted}'.rstrip())
    if rate:
        facts.append(rate)
    end, left = task.fields['end'], None
    if end is not None:
        left = max(0, end - time.monotonic())
    elif task.remaining is not None and speed:
        left = task.remaining / speed
    if task.total is not None and left is not None:
        facts.append(f'{format_time(math.ceil(left))} left')
    else:
        facts.append(format_time(task.elapsed or 0))
    return ', '.join(facts)


class TaskNumbers(ProgressColumn):
    """Count, rate and time that is left.

    Args:
        short: See :func:`describe_task`.
    """

    def __init__(self, short: bool) -> None:
        super().__init__(Column(no_wrap=True))
        self.short = short

    def render(self, task: Task) -> Text:
        return Text(describe_task(task, self.short))


class SteadyConsole(Console):
    """A console that never hides the cursor: a process that is killed could not show it again."""

    def show_cursor(self, show: bool = True) -> bool:
        return False


class Bars(Progress):
    """rich's bars, without one where there is no room for it; below them a line of each task."""

    def __init__(self, console: Console, disable: bool) -> None:
        alive = SpinnerColumn('line')  # turns while a step takes long; in ASCII
        name = TextColumn('{task.description}', markup=False)
        bar = BarColumn(bar_width=None, table_column=Column(ratio=1))
        self.wide, self.narrow = (
            (alive, name, bar, TaskNumbers(short=False)),
            (alive, name, TaskNumbers(short=True)),
        )
        self.terminal = console
        super().__init__(
            console=console, disable=disable, refresh_per_second=4, transient=True, expand=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def get_renderables(self) -> Iterable[RenderableType]:
        width = self.terminal.width
        self.columns = self.narrow if width < NARROW else self.wide
        notes = [Text(note) for task in self.tasks if (note := task.fields['note'])]
        yield Constrain(Group(self.make_tasks_table(self.tasks), *notes), width - ECHO)


class Above:
    """Stands for stdout or stderr while there is progress: whole lines go above the bars."""

    def __init__(self, stream: TextIO, display: 'Display') -> None:
        self.stream, self.display = stream, display
        self._rest = ''

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write whole lines, and keep the rest of one."""
        self.display.heard = time.monotonic()
        if not (self.display.is_drawn and self.stream.isatty()):
            return self.stream.write(text)
        whole, end, self._rest = (self._rest + text).rpartition('\n')
        if end:
            self.display.bars.console.out(whole, highlight=False)
        return len(text)

    def finish(self) -> None:
        """Write the rest."""
        rest, self._rest = self._rest, ''
        self.stream.write(rest)


class Guarded:
    """A stream to which no thread writes while the process is forked: a lock would stay taken."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write, and flush."""
        with WRITING:
            count = self.stream.write(text)
            self.stream.flush()
            return count


class Display:
    """All bars of this process, from the first that is opened to the last that is closed."""

    def __init__(self) -> None:
        self.is_drawn = is_drawn()
        self.streams = sys.stdout, sys.stderr
        self.heard = time.monotonic()
        self._ended = threading.Event()
        console = SteadyConsole(
            file=Guarded(sys.stderr),  # type: ignore[arg-type]  # it has what rich calls
        )
        self.bars = Bars(console, disable=not self.is_drawn)

    def start(self) -> None:
        """Draw, or begin to write lines."""
        before = threading.enumerate()
        self.own = Above(sys.stdout, self), Above(sys.stderr, self)
        sys.stdout, sys.stderr = self.own
        self.bars.start()
        if not self.is_drawn:
            threading.Thread(target=self._write_lines, daemon=True).start()
        self.threads = [each for each in threading.enumerate() if each not in before]

    def stop(self) -> None:
        """Take the bars away."""
        self._ended.set()
        self.bars.stop()
        self.is_drawn = False  # loggers may have kept a stream
        self.give_back()
        for stream in self.own:
            stream.finish()

    def give_back(self) -> None:
        """Put stdout and stderr back, unless someone else has put in others."""
        if sys.stdout is self.own[0]:
            sys.stdout = self.streams[0]
        if sys.stderr is self.own[1]:
            sys.stderr = self.streams[1]

    def open(self, bar: ProgressBar) -> TaskID:
        """Add a bar."""
        return self.bars.add_task(
            escape_acting(bar.what), total=bar.total, completed=bar.done, unit=bar.unit,
            rated=bar.rated, done=bar.done, note='', end=None,
        )  # fmt: skip

    def close(self, task: TaskID) -> None:
        """Remove a bar; with the last one the display ends."""
        self.bars.remove_task(task)
        if not self.bars.tasks and _display is self:  # not ended before
            end_display()

    def move(self, task: TaskID, count: int) -> None:
        """Advance a bar."""
        self.bars.advance(task, count)

    def expect(self, task: TaskID, seconds: float) -> None:
        """Let a bar show the time until then."""
        self.bars.update(task, end=time.monotonic() + seconds)

    def note(self, task: TaskID, text: str) -> None:
        """Change the line of a bar."""
        self.bars.update(task, note=escape_acting(text))

    def _write_lines(self) -> None:
        last = float('-inf')
        while not self._ended.wait(1):
            now = time.monotonic()
            if now - self.heard >= SILENCE and now - last >= INTERVAL:
                last = now
                with contextlib.suppress(OSError, ValueError):  # the reader is gone
                    Guarded(self.streams[1]).write(f'{self.line}\n')

    @property
    def line(self) -> str:
        """All bars in one line."""
        parts = [f'{task.description}: {describe_task(task)}' for task in self.bars.tasks]
        notes = [note for task in self.bars.tasks if (note := task.fields['note'])]
        return '; '.join(parts + notes)


_display: Display | None = None


def open_display() -> Display:
    """The display of this process, which begins if there is none."""
    global _display
    if _display is None:
        _display = Display()
        _display.start()
    return _display


def get_threads() -> list[threading.Thread]:
    """The threads in which the display of this process draws or writes."""
    return _display.threads if _display else []


def end_display() -> None:
    """End the display, if there is one."""
    global _display
    display, _display = _display, None
    if display is not None:
        display.stop()


def _leave_to_parent() -> None:
    """In a process that was forked: the bars are the parent's, and its locks may be taken."""
    global _display
    WRITING.release()
    display, _display = _display, None
    if display is not None:
        display.is_drawn = False
        display.give_back()


os.register_at_fork(
    before=WRITING.acquire, after_in_parent=WRITING.release, after_in_child=_leave_to_parent
)
