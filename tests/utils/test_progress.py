"""Progress on a terminal of 80 columns and fewer, in a pipe, of other ranks, and its end."""

import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

import pytest
from rich.progress import Progress

from senet_mm.utils import progress_display
from senet_mm.utils.names import format_number
from senet_mm.utils.progress import (
    QUIET,
    ProgressBar,
    get_display_threads,
    shows_progress,
    track,
)
from senet_mm.utils.progress_display import describe_task, format_time

from ..conftest import ROOT

WORK = """
import os, signal, sys, time
from senet_mm.utils.progress import ProgressBar, end_progress, track
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
with ProgressBar('networks', 2, 'networks') as networks:
    for item in track(range(40), 'pictures of a set', unit='images'):
        time.sleep(0.02)
        if item == 20:
            print('a line [red]with[/] marks')
            networks.note('best 97 %\\x1b[31m')
            time.sleep(0.6)
{end}
print('after')
"""


def run_in_terminal(source, columns=80, **env):
    """What a process writes to a terminal, its two streams together, and its exit code."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
    own = {key: value for key, value in os.environ.items() if key not in ('COLUMNS', 'LINES')}
    env = {**own, 'TERM': 'xterm', 'PYTHONPATH': str(ROOT), **env}
    process = subprocess.Popen(
        [sys.executable, '-c', source], stdin=follower, stdout=follower, stderr=follower, env=env
    )
    os.close(follower)
    parts = []

    def read():
        try:
            while part := os.read(leader, 65536):
                parts.append(part)
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    code = process.wait(60)
    reader.join()
    os.close(leader)
    return b''.join(parts).decode(), code


def plain(text):
    """Lines without what moves the cursor and colours."""
    return (
        re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', text)
        .replace('\r\n', '\n')
        .replace('\r', '\n')
        .split('\n')
    )


@pytest.mark.slow
@pytest.mark.parametrize('columns', [30, 50, 80, 120])
def test_bars_fit_the_terminal(columns):
    text, code = run_in_terminal(WORK.format(end=''), columns)
    lines = plain(text)
    assert code == 0
    assert max(map(len, lines)) <= columns
    assert [line for line in lines if '/40' in line or '…' in line]
    assert 'a line [red]with[/] marks' in lines
    assert lines[-2:] == ['after', '']
    assert ('━' in text) == (columns >= progress_display.NARROW)
    assert '\x1b[31m' not in text  # a note may be of a stranger


@pytest.mark.slow
@pytest.mark.parametrize(
    ('end', 'code'),
    [
        ('    raise SystemExit(3)', 3),
        ('    os.kill(os.getpid(), signal.SIGKILL)', -signal.SIGKILL),
        ('    os.kill(os.getpid(), signal.SIGTERM)', -signal.SIGTERM),
        ('    os.kill(os.getpid(), signal.SIGINT)', -signal.SIGINT),
        ('    end_progress(); print("error: last"); sys.stdout.flush(); os._exit(4)', 4),
    ],
)
def test_the_cursor_is_never_hidden(end, code):
    text, ended = run_in_terminal(WORK.format(end=end))
    assert ended == code
    assert '\x1b[?25l' not in text
    if code == 4:
        assert plain(text)[-2:] == ['error: last', '']


@pytest.mark.slow
def test_no_color_leaves_out_colours():
    text, _ = run_in_terminal(WORK.format(end=''), NO_COLOR='1')
    coloured = re.compile(r'\x1b\[[0-9;]*[39][0-9]')
    assert not coloured.search(text)
    assert coloured.search(run_in_terminal(WORK.format(end=''), NO_COLOR='')[0])


@pytest.mark.slow
@pytest.mark.parametrize('env', [{QUIET: '1'}, {'RANK': '1'}])
def test_quiet_and_other_ranks_show_nothing(env):
    text, _ = run_in_terminal(WORK.format(end=''), **env)
    assert plain(text) == ['a line [red]with[/] marks', 'after', '']


def test_a_pipe_gets_a_line_now_and_then(capfd, monkeypatch):
    monkeypatch.setattr(progress_display, 'SILENCE', 0.0)
    monkeypatch.setattr(progress_display, 'INTERVAL', 1.5)
    with ProgressBar('networks', 2, 'networks') as networks:
        networks.note('name\x1b')
        for _ in track(range(45), 'pictures', unit='images'):
            threading.Event().wait(0.05)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    pattern = (
        r'networks: 0/2 networks, 0:0\d; pictures: \d\d/45, \d\d(\.\d)? images/s, 0:0\d left; '
        r'name\\u001b'
    )
    assert re.fullmatch(pattern, lines[0])


def test_who_prints_is_not_silent(capfd, monkeypatch):
    monkeypatch.setattr(progress_display, 'SILENCE', 1.5)
    for _ in track(range(45), 'pictures'):
        threading.Event().wait(0.05)
        print('a line')
    out, err = capfd.readouterr()
    assert (out.count('a line\n'), err) == (45, '')


def test_streams_are_given_back():
    before = sys.stdout, sys.stderr
    with ProgressBar('work'):
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before


def test_a_forked_process_has_no_bars():
    before = sys.stdout
    with ProgressBar('work'):
        if (child := os.fork()) == 0:
            os._exit(0 if sys.stdout is before and progress_display._display is None else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert progress_display._display is not None


def test_numbers_have_units():
    clock = iter(range(100))
    with Progress(disable=True, get_time=lambda: 2.0 * next(clock)) as bars:
        known = bars.add_task('x', total=5000, unit='images', rated=True, done=0, note='', end=None)
        endless = bars.add_task('x', total=None, unit='', rated=False, done=0, note='', end=None)
        for _ in range(3):
            bars.advance(known, 400)
        task = bars.tasks[0]
        assert re.fullmatch(r'1,200/5,000, \d+ images/s, \d:\d\d left', describe_task(task))
        assert re.fullmatch(r'1,200/5,000, \d+ /s, \d:\d\d left', describe_task(task, short=True))
        assert re.fullmatch(r'\d:\d\d', describe_task(bars.tasks[endless]))


def test_the_rate_of_bursts():
    """A batch is done at once, 2 seconds after the last one; 20 were done before."""
    now = 0.0
    with Progress(disable=True, get_time=lambda: now) as bars:
        bars.add_task(
            'x', total=120, completed=20, unit='images', rated=True, done=20, note='', end=None
        )
        for _ in range(2):
            now += 2
            for _ in range(32):
                bars.advance(0)
            assert ', 16 images/s, ' in describe_task(bars.tasks[0])
        assert describe_task(bars.tasks[0]) == '84/120, 16 images/s, 0:03 left'


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(7.9, '0:07'), (760, '12:40'), (11_100, '3:05:00'), (183_900, '2 d 3:05:00')],
)
def test_times(seconds, text):
    assert format_time(seconds) == text


@pytest.mark.parametrize(('rate', 'text'), [(0.01234, '0.0123'), (8.3, '8.3'), (12345.6, '12,346')])
def test_rates(rate, text):
    assert format_number(rate) == text


@pytest.mark.parametrize(
    ('variables', 'shows'),
    [({}, True), ({'SLURM_PROCID': '1'}, False), ({'SLURM_PROCID': '1', 'RANK': '0'}, True)],
)
def test_the_first_process_alone_shows_progress(monkeypatch, variables, shows):
    """Slurm's number counts before the rank is set."""
    for name in ('RANK', 'SLURM_PROCID', QUIET):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert shows_progress() == shows


def test_threads_of_the_display_are_known(monkeypatch):
    """A start that hangs is found by the processor time of the others."""
    monkeypatch.delenv('RANK', raising=False)
    monkeypatch.delenv('SLURM_PROCID', raising=False)
    monkeypatch.delenv(QUIET, raising=False)
    before = threading.enumerate()
    with ProgressBar('work'):
        added = [thread for thread in threading.enumerate() if thread not in before]
        assert get_display_threads() == added != []
    assert get_display_threads() == []


def test_bars_change_while_a_step_takes_long():
    bars = progress_display.Bars(progress_display.SteadyConsole(file=io.StringIO()), disable=False)
    bars.add_task('training', total=9, unit='iterations', rated=False, done=0, note='', end=None)
    bars.advance(0)
    seen = set()
    for _ in range(4):
        with bars.console.capture() as capture:
            bars.console.print(*bars.get_renderables())
        seen.add(capture.get())
        time.sleep(0.2)
    assert len(seen) > 1
