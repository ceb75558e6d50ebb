"""Several processes on the CPU, started by the script that users start."""

import re

import pytest
import torch

from ..blocks import texts_run_by
from ..conftest import ROOT
from ..forked import run_ranks

pytestmark = pytest.mark.slow

DIGITS = 'configs/digits/seresnet8_1xb64_digits.py'

CONFIG = """
_base_ = '{root}/{base}'
custom_imports = dict(imports=['tests.tools.per_rank'])
custom_hooks = [dict(type='SavePerRank', folder='{folder}')]
randomness = dict(seed=0)
train_cfg = dict(max_epochs=1)
"""


@pytest.fixture
def train(run_tool, tmp_path):
    """Train a variant of the digits config on some processes; returns the models of all ranks."""

    def run(processes, *options, by_script=False):
        folder = tmp_path / str(processes)
        folder.mkdir()
        config = folder / 'config.py'
        config.write_text(CONFIG.format(root=ROOT, base=DIGITS, folder=folder))
        work_dir = ['--work-dir', folder / 'work_dir']
        options = ['--cfg-options', *options] if options else []
        if by_script:
            command = ['tools/dist_train.sh', config, processes, *work_dir, *options]
            runs = [run_tool(*command, PYTHONPATH=str(ROOT))]
        elif processes == 1:
            runs = [run_tool('tools/train.py', config, *work_dir, *options)]
        else:
            runs = run_ranks(['tools/train.py', config, *work_dir, *options], processes)
        for finished in runs:
            assert finished.returncode == 0, finished.stderr
        files = sorted(folder.glob('rank*.pth'))
        assert len(files) == processes
        return [torch.load(file) for file in files], folder / 'work_dir', runs[0]

    return run


def test_two_ranks_end_identical(train, run_tool):
    """Parameters, and, as they are averaged before they are saved, the running statistics."""
    (first, second), work_dir, finished = train(2, by_script=True)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert finished.stderr == ''

    command = ['tools/dist_test.sh', DIGITS, work_dir / 'epoch_1.pth', 2]
    tested = run_tool(*command, '--work-dir', work_dir / 'test')
    assert tested.returncode == 0, tested.stderr
    scores = [
        line[line.index('accuracy') : line.index('data_time')]
        for line in (finished.stdout + tested.stdout).splitlines()
        if 'accuracy/top1: ' in line
    ]
    assert len(scores) == 2
    assert scores[0] == scores[1]


def test_two_times_32_is_one_times_64(train):
    """Without batch statistics the number of processes changes nothing but rounding."""
    options = [
        'model.backbone.norm_cfg.type=GN',
        'model.backbone.norm_cfg.num_groups=4',
        'train_dataloader.num_batch_per_epoch=10',
    ]
    (one,), *_ = train(1, *options)
    (two, _), *_ = train(2, *options, 'train_dataloader.batch_size=32')
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], rtol=1e-4, atol=1e-5)


def test_a_drawn_seed_is_kept_by_all_processes(tmp_path):
    """Two epochs are two epochs, interrupted or not."""
    whole, copy = tmp_path / 'whole', tmp_path / 'copy'
    options = ['train_cfg.max_epochs=2', 'train_dataloader.num_batch_per_epoch=3', 'val_cfg=None']
    options += ['val_dataloader=None', 'val_evaluator=None']
    options += ['default_hooks.checkpoint.save_best=None']

    def train(work_dir, *more):
        command = ['tools/train.py', DIGITS, '--work-dir', work_dir, *more]
        for run in run_ranks([*command, '--cfg-options', *options], 2):
            assert run.returncode == 0, run.stderr
        return torch.load(work_dir / 'epoch_2.pth', weights_only=False)

    expected = train(whole)
    copy.mkdir()
    (whole / 'epoch_1.pth').rename(copy / 'epoch_1.pth')
    (copy / 'last_checkpoint').write_text(str(whole / 'epoch_1.pth'))
    resumed = train(copy, '--resume')
    assert resumed['meta']['seed'] == expected['meta']['seed']
    for name, value in expected['state_dict'].items():
        assert torch.equal(value, resumed['state_dict'][name]), name


def test_two_processes_continue_the_epoch_of_one(tmp_path):
    """Without batch statistics they end where the one ends, to rounding; a line says so."""
    options = ['model.backbone.norm_cfg.type=GN', 'model.backbone.norm_cfg.num_groups=4']
    options += ['train_cfg.max_epochs=1', 'randomness.seed=0', 'val_cfg=None']
    options += ['val_dataloader=None', 'val_evaluator=None']
    options += [
        'default_hooks.checkpoint.save_best=None',
        'default_hooks.checkpoint.by_epoch=False',
    ]
    options += ['default_hooks.checkpoint.interval=7']
    command = ['tools/train.py', DIGITS, '--work-dir', tmp_path / 'run']
    (run,) = run_ranks([*command, '--cfg-options', *options], 1)
    assert run.returncode == 0, run.stderr
    whole = torch.load(tmp_path / 'run/iter_19.pth', weights_only=False)['state_dict']
    (tmp_path / 'run/last_checkpoint').write_text('iter_7.pth')
    options += ['train_dataloader.batch_size=32']
    for run in run_ranks([*command, '--resume', '--cfg-options', *options], 2):
        assert run.returncode == 0, run.stderr
    resumed = torch.load(tmp_path / 'run/iter_19.pth', weights_only=False)
    for name, value in resumed['state_dict'].items():
        torch.testing.assert_close(value, whole[name], rtol=1e-4, atol=1e-5)
    assert resumed['message_hub']['runtime_info']['place_in_data']['processes'] == 2
    (line,) = (line for line in log_of(tmp_path / 'run') if 'resumed with another config' in line)
    [shown] = texts_run_by(
        'docs/when-a-machine-dies.md', 'test_two_processes_continue_the_epoch_of_one'
    )
    assert ' '.join(shown.split()) in line


def log_of(work_dir):
    return [line for log in work_dir.glob('*/*.log') for line in log.read_text().splitlines()]


def test_frozen_stages(train):
    """A distributed model waits for no gradient of theirs, nor of the layers in them."""
    options = ['model.backbone.frozen_stages=2', 'train_dataloader.num_batch_per_epoch=3']
    (first, second), *_ = train(2, *options)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_eight_processes_run_an_epoch(train):
    models, *_ = train(8, 'train_dataloader.batch_size=8')
    for model in models[1:]:
        assert all(torch.equal(value, model[name]) for name, value in models[0].items())


def test_a_mistake_is_reported_and_not_tried_again(run_tool):
    """By the rank that finds it first, in one line."""
    run = run_tool('tools/dist_train.sh', 'nowhere.py', 2)
    assert run.returncode == 1
    assert re.fullmatch(r'error \(rank [01]\): config nowhere.py does not exist\n', run.stderr)


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
def test_scripts_say_how_they_are_used(run_tool, script):
    run = run_tool(f'tools/{script}')
    assert run.returncode == 2
    assert f'tools/{script} ' in run.stderr
