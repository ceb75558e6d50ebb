"""Runs of several processes that are started by the launcher, and accidents to them."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ..conftest import ROOT
from ..forked import run_ranks
from .kills import BASE, CONFIG, differences, story

pytestmark = pytest.mark.slow

OPTIONS = {
    **BASE,
    'log_level': 'INFO',
    'train_dataloader.batch_size': 8,
    'train_dataloader.num_workers': 1,
    'default_hooks.stall.timeout': 4,
    'default_hooks.logger.interval': 1000,
}
TEXT = """
_base_ = '{config}'
custom_imports = dict(imports=['tests.tools.per_rank'])
custom_hooks = [dict(type='ResultHook'), {hook}]
"""


def command(folder, hook='', **options):
    """The tool's arguments for a small run in a folder."""
    config = folder / 'config.py'
    config.write_text(TEXT.format(config=CONFIG, hook=hook))
    given = {key: value for key, value in OPTIONS.items() if key != 'custom_hooks'} | options
    pairs = [f'{key}={value}' for key, value in given.items()]
    return [config, '--work-dir', folder / 'run', '--cfg-options', *pairs]


def start(folder, *arguments, **env):
    """Start two processes; what they print goes to files."""
    processes = '1' if 'NNODES' in env else '2'
    command = [ROOT / 'tools/dist.py', 'train', processes, *arguments]
    with open(folder / 'out', 'a') as out, open(folder / 'err', 'a') as err:
        return subprocess.Popen(
            [sys.executable, *map(str, command)],
            env={**os.environ, 'PYTHONPATH': str(ROOT), **env},
            stdout=out,
            stderr=err,
        )


def wait_for(path, launcher):
    """Wait until the run has written a file."""
    while not path.exists():
        assert launcher.poll() is None, (path.parents[1] / 'err').read_text()
        time.sleep(0.05)


def processes_of(folder):
    """Processes that have the work directory in their command line, the launcher excepted."""
    found = []
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            words = path.read_bytes().split(b'\0')
        except OSError:
            continue
        if str(folder / 'run').encode() in words and b'--launcher' in words:
            found.append(int(path.parent.name))
    return found


def test_accidents(tmp_path):
    """A rank is killed, then a loader worker halts; restarted, the run ends as without both."""
    whole, broken = tmp_path / 'whole', tmp_path / 'broken'
    whole.mkdir(), broken.mkdir()
    for run in run_ranks(['tools/train.py', *command(whole)], 2):
        assert run.returncode == 0, run.stderr
    launcher = start(broken, *command(broken, "dict(type='Accidents', at=16)"))
    errors = broken / 'err'
    assert launcher.wait() == 0, errors.read_text()
    killed, stalled = 'was killed by SIGKILL; restart 1 of 3', 'ended with code 124; restart 2 of 3'
    text = errors.read_text()
    assert killed in text
    assert stalled in text
    assert 'no progress for 4 s (default_hooks.stall.timeout): rank 1 is in ' in text
    assert 'its loader worker ' in text
    assert 'Traceback' not in text
    for epoch in (1, 2, 3):  # none is trained twice
        assert (broken / 'out').read_text().count(f'Epoch(train) [{epoch}][7/7]') == 1
    found = story(broken / 'run')
    assert '.launch' in found
    found.pop('.launch')
    assert differences(story(whole / 'run'), found) == []


def test_two_machines(tmp_path):
    """The same line on each; after a kill on one, both restart and meet again."""
    arguments = command(tmp_path, "dict(type='Accidents', at=16, halts=False)")
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    machines = dict(NNODES='2', MASTER_ADDR='127.0.0.1', PORT=port)
    # The second comes first, and waits.
    launchers = [start(tmp_path, *arguments, **machines, NODE_RANK=rank) for rank in '10']
    for launcher in launchers:
        assert launcher.wait() == 0, (tmp_path / 'err').read_text()
    assert 'rank 1 (process ' in (tmp_path / 'err').read_text()
    output = (tmp_path / 'out').read_text()
    assert output.count(' x 2 processes') == 2
    for epoch in (1, 2, 3):  # none is trained twice
        assert output.count(f'Epoch(train) [{epoch}][7/7]') == 1


def test_signals_to_the_launcher(tmp_path):
    """SIGKILL ends the ranks and their workers with it; after SIGTERM both ranks have saved."""
    run = tmp_path / 'run'
    arguments = command(tmp_path, **{'train_cfg.max_epochs': 1000})
    launcher = start(tmp_path, *arguments)
    wait_for(run / 'epoch_1.pth', launcher)
    assert len(processes_of(tmp_path)) == 4
    launcher.kill()
    launcher.wait()
    while processes_of(tmp_path):  # at most as long as the kernel takes
        time.sleep(0.05)

    before = {path.name for path in run.iterdir() if path.is_dir()}
    launcher = start(tmp_path, *arguments, '--resume')
    while {path.name for path in run.iterdir() if path.is_dir()} == before:
        assert launcher.poll() is None, (tmp_path / 'err').read_text()
        time.sleep(0.05)
    newest = max(path for path in run.glob('epoch_*.pth'))
    while max(path for path in run.glob('epoch_*.pth')) == newest:
        time.sleep(0.05)
    launcher.terminate()
    assert launcher.wait() == 128 + signal.SIGTERM
    assert 'interrupted by SIGTERM, saved after iteration' in (tmp_path / 'out').read_text()
    assert (tmp_path / 'err').read_text() == ''
    assert processes_of(tmp_path) == []


def test_a_launcher_that_is_killed_at_the_start(tmp_path):
    """Its ranks end, which have not asked the kernel yet to end with it."""
    launcher = start(tmp_path, *command(tmp_path, **{'train_cfg.max_epochs': 1000}))
    while not (ranks := processes_of(tmp_path)):
        assert launcher.poll() is None, (tmp_path / 'err').read_text()
    for rank in ranks:
        os.kill(rank, signal.SIGSTOP)
    launcher.kill()
    launcher.wait()
    for rank in ranks:
        os.kill(rank, signal.SIGCONT)
    end = time.monotonic() + 60
    while (left := processes_of(tmp_path)) and time.monotonic() < end:
        time.sleep(0.05)
    for rank in left:
        os.kill(rank, signal.SIGKILL)
    assert left == []
    assert not (tmp_path / 'run').exists()


def test_an_import_that_never_returns(tmp_path):
    """The launcher ends with the code of a run without progress."""
    text = "import os, time\nif os.environ['RANK'] == '1':\n    time.sleep(600)\n"
    (tmp_path / 'never.py').write_text(text)
    arguments = command(tmp_path)
    config = tmp_path / 'config.py'
    config.write_text(config.read_text().replace("['tests.tools.per_rank']", "['never']"))
    limits = dict(START_TIMEOUT='3', MAX_RESTARTS='0', SHUTDOWN_TIMEOUT='1')
    assert start(tmp_path, *arguments, **limits).wait() == 124
    assert (tmp_path / 'err').read_text() == (
        'error (rank 1): no progress for 3 s before the first iteration (START_TIMEOUT): rank 1 is '
        'in <module> of never.py:3: what it waits for does not come\n'
    )


def test_wrong_arguments(tmp_path):
    """One process says so, and nothing is restarted."""
    assert start(tmp_path, *command(tmp_path), '--nosuch').wait() == 2
    errors = (tmp_path / 'err').read_text()
    assert errors.count('error: unrecognized arguments: --nosuch') == 1
    assert errors.count('usage: ') == 1
    assert 'restart' not in errors
