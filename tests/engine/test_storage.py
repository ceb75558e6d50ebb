"""Disks that are full, read-only or gone while a run trains on them."""

import contextlib
import json
import logging
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from senet_mm.cli import reported_errors
from senet_mm.engine import LocalVisBackend, Runner
from senet_mm.engine.lock import LOCK, Lock, locked
from senet_mm.engine.text_logs import LogFile
from senet_mm.utils.errors import working
from senet_mm.utils.storage import StorageError, answering_storage

from .kills import BASE
from .test_runner import digits

SMALL = {key: value for key, value in BASE.items() if key not in ('custom_hooks', 'log_level')}
ALLOWED = 'allowed: a disk that can be written, and has space'


@pytest.fixture
def disk(tmp_path):
    """A file system in memory, of 1.5 MB: a checkpoint and a half, with the best one."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1500k', 'tmpfs', folder])
    if mounted.returncode:
        pytest.skip('mounting is not allowed; test_a_limit_on_files needs no mount')
    yield folder
    subprocess.run(['umount', '--lazy', folder], check=True)


def train(folder, hook=None, **options):
    """Train as the tool does; returns the exit code."""
    try:
        with reported_errors():
            runner = Runner.from_cfg(digits(folder, **{**SMALL, **options}))
            if hook:
                runner.register_hook(hook)
            runner.train()
    except SystemExit as end:
        return end.code
    return 0


def logged_lines(work_dir):
    return [line for log in work_dir.glob('*/*.log') for line in log.read_text().splitlines()]


@pytest.mark.slow
def test_a_full_disk_ends_the_run_which_goes_on_when_there_is_space(disk, tmp_path, capsys):
    assert train(disk / 'run') == 74
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'error: checkpoint {disk}/run/')
    assert '.pth cannot be written: No space left on device; those that were written' in line
    assert not list((disk / 'run').glob('.*.tmp'))
    subprocess.run(['mount', '-o', 'remount,size=50m', disk], check=True)
    assert train(disk / 'run', resume='auto') == 0
    whole = tmp_path / 'whole'
    assert train(whole) == 0
    ends = [torch.load(f / 'epoch_3.pth', weights_only=False) for f in (whole, disk / 'run')]
    first, second = (end['state_dict'] for end in ends)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


class Limit(Hook):
    """Lets no file grow over a number of bytes, from the second epoch on."""

    def before_train_epoch(self, runner):
        if runner.epoch:
            runner.writer.join()
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))


def test_a_limit_on_files(tmp_path, capsys):
    """The first checkpoint stays whole and is pointed to."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        assert train(tmp_path, Limit()) == 74
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert 'epoch_2.pth cannot be written: File too large; ' in capsys.readouterr().err
    assert (tmp_path / 'last_checkpoint').read_text() == 'epoch_1.pth'
    assert torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['meta']['epoch'] == 1


class Fill(Hook):
    """Fills a disk in the second epoch, and frees it at its end."""

    def __init__(self, disk):
        self.file = disk / 'filling'

    def before_train_epoch(self, runner):
        if runner.epoch == 1:
            with pytest.raises(OSError, match='No space'):
                self.file.write_bytes(bytes(2_000_000))

    def after_train_epoch(self, runner):
        self.file.unlink(missing_ok=True)


@pytest.mark.slow
def test_logs_on_a_full_disk_do_not_end_a_training(disk, capsys):
    """What is logged before and after it is there; all lines are whole."""
    options = {'default_hooks.checkpoint.interval': 9, 'default_hooks.logger.interval': 1}
    options['default_hooks.checkpoint.save_best'] = None
    options['train_dataloader.num_batch_per_epoch'] = 70  # more lines than a block of the disk has
    assert train(disk / 'run', Fill(disk), **options) == 0
    lines = [line for line in logged_lines(disk / 'run') if 'Epoch(train)' in line]
    assert '[1][ 1/70]' in lines[0]
    assert '[3][70/70]' in lines[-1]
    (log,) = (disk / 'run').glob('*/vis_data/scalars.json')
    steps = [json.loads(line)['step'] for line in log.read_text().splitlines()]
    assert {1, 210} <= set(steps)
    assert len(steps) < 3 * 70
    printed = capsys.readouterr()
    assert printed.err.count('cannot be written: No space left on device; the training') == 1
    assert printed.out.count('.json cannot be written: No space left on device') == 1


def test_a_log_that_cannot_be_written(capsys):
    """Said once; ``/dev/full`` is a full disk on every machine."""
    handler = LogFile('/dev/full')
    for _ in range(3):
        handler.emit(logging.LogRecord('', logging.INFO, '', 0, 'line', (), None))
    line = '/dev/full cannot be written: No space left on device; the training continues without'
    assert capsys.readouterr().err.count(line) == 1


def test_scalars_that_cannot_be_written(tmp_path, logged):
    (tmp_path / 'scalars.json').symlink_to('/dev/full')
    backend = LocalVisBackend(str(tmp_path))
    for step in range(3):
        backend.add_scalars({'loss': 1.0}, step)
    assert logged.text.count('scalars.json cannot be written: No space left on device') == 1
    (tmp_path / 'scalars.json').unlink()
    backend.add_scalars({'loss': 1.0}, 3)
    assert json.loads((tmp_path / 'scalars.json').read_text()) == {'loss': 1.0, 'step': 3}


def test_a_disk_that_is_read_only(disk, capsys):
    subprocess.run(['mount', '-o', 'remount,ro', disk], check=True)
    assert train(disk / 'run') == 74
    (line,) = capsys.readouterr().err.splitlines()
    assert f'{disk}/run' in line
    assert line.endswith(f'Read-only file system; {ALLOWED}')


@pytest.mark.slow
def test_a_full_disk_at_the_start(disk, capsys):
    """The line names the folder, which the error does not, and no config: that is right."""
    subprocess.run(['mount', '-o', 'remount,size=4k', disk], check=True)
    assert train(disk / 'run') == 74
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f'error: {disk}/run: No space left on device; {ALLOWED}'


@pytest.mark.parametrize('marked', [contextlib.nullcontext, working])
def test_every_tool_ends_with_the_code_of_a_full_disk(marked, capsys):
    """One line, also in the middle of its work."""
    with pytest.raises(SystemExit) as ended, reported_errors(), marked():
        Path('/dev/full').write_text('results')
    assert ended.value.code == 74
    assert capsys.readouterr().err == f'error: No space left on device; {ALLOWED}\n'


def test_other_errors_of_files_stay_what_they_are():
    with pytest.raises(FileNotFoundError), answering_storage():
        os.listdir('/nowhere')
    with pytest.raises(StorageError, match=r'^/dev/full: No space'), answering_storage():
        raise OSError(28, 'No space left on device', '/dev/full')


class Remove(Hook):
    """Removes the work directory in the second epoch."""

    def before_train_epoch(self, runner):
        if runner.epoch == 1:
            runner.writer.join()
            shutil.rmtree(runner.work_dir)
            self.after(runner)

    def after(self, runner):
        """What happens then."""


def test_a_removed_folder_is_made_anew(tmp_path):
    work_dir = tmp_path / 'run'
    assert train(work_dir, Remove()) == 0
    assert torch.load(work_dir / 'epoch_3.pth', weights_only=False)['meta']['epoch'] == 3
    assert (work_dir / 'last_checkpoint').read_text() == 'epoch_3.pth'
    assert sum('was removed, or its lock was; it is made anew' in x for x in logged_lines(work_dir))
    assert list(work_dir.glob('*/vis_data/scalars.json'))
    assert (work_dir / 'seresnet8_1xb64_digits.py').is_file()
    (record,) = (json.loads(file.read_text()) for file in work_dir.glob('*/run.json'))
    assert record['iter'] == 0  # that of the start


HOLD = """
import fcntl, sys
file = open(sys.argv[1], 'w')
fcntl.lockf(file, fcntl.LOCK_EX)
print('process of another run', file=file, flush=True)
print('held', flush=True)
sys.stdin.read()
"""


def test_a_removed_folder_that_another_run_has_taken(tmp_path):
    work_dir, others = tmp_path / 'run', []

    class Replaced(Remove):
        def after(self, runner):
            work_dir.mkdir()
            command = [sys.executable, '-c', HOLD, work_dir / LOCK]
            other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert other.stdout.readline() == b'held\n'
            others.append(other)

    message = str(train(work_dir, Replaced()))
    others[0].communicate()
    assert f'another run trains in {work_dir}: process of another run' in message
    assert not list(work_dir.glob('*.pth'))


def test_a_lock_of_another_machine_is_said(tmp_path, logged):
    (tmp_path / LOCK).write_text('process 12 on node7 since 2026-01-01 00:00:00')
    with locked(tmp_path):
        pass
    assert 'was used by process 12 on node7 since 2026-01-01 00:00:00, which did not' in logged.text
    logged.clear()
    with locked(tmp_path):  # that one has noted its end
        pass
    assert not logged.text


def test_a_file_system_without_locks_is_said(tmp_path, logged, monkeypatch):
    def refuse(*_):
        raise OSError(37, 'No locks available')

    monkeypatch.setattr('fcntl.lockf', refuse)
    with locked(tmp_path):
        pass
    assert 'cannot be locked (No locks available); a second run in it is not noticed' in logged.text


def test_a_folder_that_cannot_be_locked(tmp_path):
    message = r'work directory .*gone cannot be used: No such file'
    with pytest.raises(StorageError, match=message), locked(tmp_path / 'gone'):
        pass


def test_a_lock_on_a_full_disk(tmp_path, monkeypatch):
    """It holds without a name in its file."""

    def refuse(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.pwrite', refuse)
    lock = Lock(tmp_path)
    lock.take()
    lock.keep()
    lock.leave()
