"""The tools as a user runs them, mistakes included."""

import json
import pickle

import pytest
import torch

from senet_mm.models import ResNet

DIGITS = 'configs/digits/seresnet8_1xb64_digits.py'


def test_train_then_test(run_tool, tmp_path):
    options = ['--cfg-options', 'train_cfg.max_epochs=2', 'randomness.seed=0']
    run = run_tool('tools/train.py', DIGITS, '--work-dir', tmp_path, *options)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ''
    before_first = run.stdout[: run.stdout.index('Epoch(train)')].splitlines()
    assert len(before_first) < 60
    assert 'WARNING' not in run.stdout

    checkpoint = tmp_path / 'epoch_2.pth'
    metrics, predictions = tmp_path / 'metrics.json', tmp_path / 'predictions.pkl'
    run = run_tool(
        'tools/test.py', DIGITS, checkpoint, '--work-dir', tmp_path / 'test',
        '--out', metrics, '--out-item', 'metrics',
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    top1 = json.loads(metrics.read_text())['accuracy/top1']

    run = run_tool(
        'tools/test.py', DIGITS, checkpoint, '--work-dir', tmp_path / 'test', '--out', predictions
    )
    assert run.returncode == 0, run.stderr
    results = pickle.loads(predictions.read_bytes())
    right = [result['pred_score'].argmax() == result['gt_label'] for result in results]
    assert len(right) == 540
    assert sum(map(bool, right)) / 5.4 == pytest.approx(top1, abs=1e-3)

    run = run_tool(
        'tools/test.py', DIGITS, checkpoint, '--work-dir', tmp_path / 'test', '--tta', '--amp',
        '--out', predictions,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    averaged = pickle.loads(predictions.read_bytes())
    pairs = zip(averaged, results, strict=True)
    differences = [(a['pred_score'] - b['pred_score']).abs().max() for a, b in pairs]
    assert max(differences) > 0.1  # the mirror image of a digit is none

    run = run_tool(
        'tools/train.py', DIGITS, '--work-dir', tmp_path, '--resume', '--amp', '--no-validate',
        '--auto-scale-lr', '--cfg-options', 'train_cfg.max_epochs=3',
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert 'resumed epoch: 2, iter: 38' in run.stdout
    assert 'Epoch(train) [3][19/19]' in run.stdout
    assert 'Epoch(val)' not in run.stdout


def test_train_on_synthetic_data(run_tool, tmp_path):
    """No data set is needed; compiling is refused on a CPU, and says so."""
    run = run_tool(
        'tools/train.py', 'configs/seresnet/seresnet18_8xb32_in1k.py', '--synthetic',
        '--work-dir', tmp_path, '--cfg-options', 'train_cfg.max_epochs=1', 'compile=True',
        'train_dataloader.batch_size=2', 'train_dataloader.num_batch_per_epoch=2',
        'default_hooks.logger.interval=1', 'default_hooks.checkpoint=None',
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert 'Epoch(train) [1][2/2]' in run.stdout
    assert 'compile: left out, compiled training is slower on a CPU' in run.stdout


MISTAKES = [
    (
        ['tools/train.py', 'configs/digits/seresnet9_1xb64_digits.py'],
        'config configs/digits/seresnet9_1xb64_digits.py does not exist; '
        'did you mean seresnet8_1xb64_digits?',
    ),
    (
        ['tools/train.py', DIGITS, '--cfg-options', 'model.backbone.depth=9'],
        'depth=9 is not known; allowed: 8, 18, 20, 29, 32, 34, 44, 50, 56, 101, 110, 152, 164',
    ),
    (
        ['tools/train.py', DIGITS, '--cfg-options', 'optim_wraper.optimizer.lr=1'],
        "--cfg-options: the config has no key 'optim_wraper'; did you mean 'optim_wrapper'?",
    ),
    (
        ['tools/train.py', DIGITS, '--cfg-options', 'model.backbone.type=SEResNt'],
        "--cfg-options model.backbone.type='SEResNt' is in no registry; did you mean 'SEResNet'?",
    ),
    (
        ['tools/train.py', DIGITS, '--cfg-options', 'train_dataloader.batchsize=1'],
        "config key 'train_dataloader.batchsize' is not known; did you mean 'batch_size'?",
    ),
    (
        ['tools/train.py', DIGITS, '--cfg-options', 'model.se.layer.ration=1'],
        "SELayer.__init__() got an unexpected keyword argument 'ration'; did you mean 'ratio'?",
    ),
    (
        ['tools/train.py', DIGITS, '--resume', 'nowhere.pth'],
        'checkpoint nowhere.pth does not exist',
    ),
    (
        ['tools/train.py', 'configs/seresnet/seresnet50_8xb32_in1k.py', '--cfg-options',
         'data_root=nowhere'],
        "image folder nowhere/train does not exist; set data_root (now 'nowhere') to the folder",
    ),
    (
        ['tools/test.py', DIGITS, 'nowhere.pth'],
        'checkpoint nowhere.pth does not exist',
    ),
    (
        ['tools/test.py', DIGITS, 'README.md'],
        'checkpoint README.md is refused: it is no checkpoint; allowed: tensors and plain data',
    ),
    (
        ['tools/test.py', DIGITS, 'nowhere.pth', '--out', 'scores.json'],
        '--out scores.json: predictions are written as .pkl or .pickle',
    ),
    (
        ['tools/analysis_tools/get_flops.py', DIGITS, '--shape', '1', '2', '3'],
        '--shape 1 2 3: allowed: SIZE or HEIGHT WIDTH',
    ),
]  # fmt: skip


@pytest.mark.parametrize(('command', 'message'), MISTAKES)
def test_a_mistake_is_one_line(run_tool, tmp_path, command, message):
    run = run_tool(*command, '--work-dir', tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith('error: ' + message)
    assert len(run.stderr.splitlines()) == 1


LAUNCHERS = {
    'slurm': 'SLURM_PROCID is not set; allowed: start by srun, as tools/slurm_train.sh does',
    'mpi': 'needs GPUs; allowed without: none, pytorch, slurm',
}


@pytest.mark.parametrize('launcher', LAUNCHERS)
def test_launcher_that_cannot_start(run_tool, tmp_path, launcher):
    command = ['tools/train.py', DIGITS, '--work-dir', tmp_path, '--launcher', launcher]
    run = run_tool(*command, CUDA_VISIBLE_DEVICES='')
    assert run.returncode == 1
    assert run.stderr == f'error: launcher={launcher!r}: {LAUNCHERS[launcher]}\n'


def test_foreign_checkpoint_is_one_line(run_tool, tmp_path):
    torch.save(ResNet(20).state_dict(), tmp_path / 'foreign.pth')
    run = run_tool('tools/test.py', DIGITS, tmp_path / 'foreign.pth', '--work-dir', tmp_path)
    assert run.returncode == 1
    assert 'does not fit the model of the config' in run.stderr
    assert 'accuracy' not in run.stdout
    assert len(run.stderr.splitlines()) == 1


def test_traceback_on_demand(run_tool, tmp_path):
    run = run_tool('tools/test.py', DIGITS, 'nowhere.pth', '--work-dir', tmp_path, '--traceback')
    assert run.stderr.startswith('Traceback')
    assert run.stderr.splitlines()[-1] == 'error: checkpoint nowhere.pth does not exist'


def test_get_flops(run_tool):
    tool, config = 'tools/analysis_tools/get_flops.py', 'configs/resnet/resnet50_8xb32_in1k.py'
    run = run_tool(tool, config, '--json')
    counts = json.loads(run.stdout)
    assert list(counts) == ['shape', 'params', 'macs', 'flops_openmmlab', 'stages']
    assert (counts['params'], counts['macs']) == (25_557_032, 4_089_184_256)
    run = run_tool(tool, config, '--shape', '320', '256')
    assert 'backbone.layer4' in run.stdout
    assert run.stdout.splitlines()[-1].endswith('image 3x320x256')


def test_imagenet_recipe_on_real_photographs(run_tool, tmp_path):
    """The JPEG path end to end: make the data, train, validate, save, test."""
    data = tmp_path / 'data'
    run = run_tool('tools/dataset_tools/make_sample.py', data, '--train', 2, '--val', 1)
    assert run.returncode == 0, run.stderr
    again = run_tool('tools/dataset_tools/make_sample.py', data)
    assert again.stderr == f'error: {data} is not empty; allowed: a new or an empty folder\n'

    config = 'configs/seresnet/seresnet50_8xb32_in1k.py'
    options = ['--cfg-options', 'train_cfg.max_epochs=1', 'train_dataloader.batch_size=4']
    options += [f'data_root={data}']
    options += [f'{split}_dataloader.num_workers=1' for split in ('train', 'val', 'test')]
    run = run_tool('tools/train.py', config, '--work-dir', tmp_path, *options)
    assert run.returncode == 0, run.stderr
    assert 'Epoch(train) [1][4/4]' in run.stdout
    assert '28,088,024 parameters, 4.09 GFLOPs' in run.stdout
    (validated,) = (line for line in run.stdout.splitlines() if 'Epoch(val)' in line)

    checkpoint = tmp_path / 'epoch_1.pth'
    run = run_tool('tools/test.py', config, checkpoint, '--work-dir', tmp_path / 'test', *options)
    assert run.returncode == 0, run.stderr
    (tested,) = (line for line in run.stdout.splitlines() if 'Epoch(test)' in line)
    scores = [
        line[line.index('accuracy') : line.index('data_time')] for line in (validated, tested)
    ]
    assert scores[0] == scores[1]
