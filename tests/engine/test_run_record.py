"""A start of a training leaves what one needs to start it again."""

import errno
import json
import os
import subprocess
import sys

import pytest
import torch

from senet_mm.engine import Runner
from senet_mm.engine.run_record import read_git, save_run, with_launcher

from .kills import BASE
from .test_runner import digits

ONE_EPOCH = {**BASE, 'train_cfg.max_epochs': 1, 'custom_hooks': []}


def test_each_start_is_recorded(tmp_path):
    Runner.from_cfg(digits(tmp_path, **ONE_EPOCH)).train()
    (file,) = tmp_path.glob('*/run.json')
    first = json.loads(file.read_text())
    assert sys.orig_argv[-1] in first['command']
    assert first['folder'] == os.getcwd()
    assert first['config'].endswith('seresnet8_1xb64_digits.py')
    assert (first['seed'], first['iter'], first['processes']) == (0, 0, 1)
    assert first['torch'] == torch.__version__
    assert torch.__version__.startswith(first['packages']['torch'])
    assert first['resumed_from'] is None
    assert (first['ended']['epoch'], first['ended']['iter']) == (1, 7)
    file.rename(tmp_path / 'first.json')
    Runner.from_cfg(
        digits(tmp_path, resume='auto', **{**ONE_EPOCH, 'train_cfg.max_epochs': 2})
    ).train()
    (file,) = tmp_path.glob('*/run.json')
    second = json.loads(file.read_text())
    assert second['resumed_from'] == str(tmp_path / 'epoch_1.pth')
    assert (second['epoch'], second['iter']) == (1, 7)
    assert (second['ended']['epoch'], second['ended']['iter']) == (2, 14)


def test_an_end_that_cannot_be_recorded_costs_nothing(tmp_path, monkeypatch):
    def save(folder, record):
        if 'ended' in record:
            raise OSError(errno.ENOSPC, 'No space left on device')
        save_run(folder, record)

    monkeypatch.setattr('senet_mm.engine.runner.loading.save_run', save)
    Runner.from_cfg(digits(tmp_path, **ONE_EPOCH)).train()
    (file,) = tmp_path.glob('*/run.json')
    assert 'ended' not in json.loads(file.read_text())


TORCHRUN = dict(TORCHELASTIC_RUN_ID='x', GROUP_WORLD_SIZE='1', LOCAL_WORLD_SIZE='2')
START = 'python -m torch.distributed.run'


@pytest.mark.parametrize(
    ('environ', 'expected'),
    [
        ({}, 'python -u tools/train.py net'),
        (TORCHRUN, f'{START} --standalone --nproc-per-node=2 tools/train.py net'),
        (
            {**TORCHRUN, 'GROUP_WORLD_SIZE': '3', 'MASTER_ADDR': 'a'},
            f'{START} --nnodes=3 --rdzv-backend=c10d --rdzv-endpoint=a:29500 --nproc-per-node=2 '
            'tools/train.py net',
        ),
        (dict(SLURM_STEP_NUM_TASKS='4'), 'srun --ntasks=4 python -u tools/train.py net'),
        (dict(SLURM_STEP_NUM_TASKS='1'), 'python -u tools/train.py net'),
        (dict(OMPI_COMM_WORLD_SIZE='4'), 'mpirun -n 4 python -u tools/train.py net'),
    ],
)
def test_commands_start_all_processes(environ, expected):
    words = ['python', '-u', 'tools/train.py', 'net']
    assert with_launcher(words, environ) == expected.split()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git repository with one commit of one file."""
    for role in ('AUTHOR', 'COMMITTER'):
        monkeypatch.setenv(f'GIT_{role}_NAME', 'name')
        monkeypatch.setenv(f'GIT_{role}_EMAIL', 'name@host')
    (tmp_path / 'file').write_text('a')
    for command in (['init', '-q'], ['add', 'file'], ['commit', '-q', '-m', 'first']):
        subprocess.run(['git', '-C', tmp_path, *command], check=True)
    return tmp_path


def test_git(repository):
    """A file that git does not know changes nothing, one that it knows does."""
    (repository / 'other').write_text('b')
    state = read_git(repository)
    assert len(state['commit']) == 40
    assert state['dirty'] is False
    (repository / 'file').write_text('b')
    assert read_git(repository) == {**state, 'dirty': True}


def test_no_git(tmp_path, monkeypatch):
    assert read_git(tmp_path) is None
    monkeypatch.setenv('PATH', '')
    assert read_git(tmp_path) is None
