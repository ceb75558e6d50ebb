"""Tools write into work directories alone, and a test leaves the training's files as they are."""

import os
import subprocess
import sys

import pytest
import torch
from mmengine.fileio import load

from senet_mm.apis import get_model

from ..conftest import ROOT, load_tool
from ..datasets.files import GOOD

pytestmark = pytest.mark.slow

NAME = 'seresnet8_1xb64_digits'


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Call a tool from an empty folder, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(path, *args):
        if 'verify' in path:  # its functions go to other processes
            return subprocess.run([sys.executable, ROOT / 'tools' / path, *args], check=True)
        monkeypatch.setattr(sys, 'argv', [path, *map(str, args)])
        tool = load_tool(f'tools/{path}')
        return tool.main(tool.parse_args())

    return run


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    file = tmp_path_factory.mktemp('weights') / 'weights.pth'
    torch.save({'state_dict': get_model(NAME).state_dict(), 'meta': {}}, file)
    return file


@pytest.fixture
def data(tmp_path_factory):
    """A folder of one image that nobody may write to."""
    folder = tmp_path_factory.mktemp('data')
    (folder / 'a.JPEG').write_bytes(GOOD['jpeg'])
    return folder


TOOLS = {
    'test.py': [NAME, 'WEIGHTS'],
    'deploy.py': [NAME, 'WEIGHTS', '--images', '2', '--batch-size', '2', '--rounds', '2'],
    'analysis_tools/excitation.py': [NAME, 'WEIGHTS', '--channels', '2'],
    'analysis_tools/get_flops.py': [NAME],
    'visualization/browse_dataset.py': [NAME, '--images', '1'],
    'dataset_tools/verify.py': ['DATA', '--workers', '1'],
}


def fill(args, weights, data):
    return [{'WEIGHTS': weights, 'DATA': data}.get(arg, arg) for arg in args]


@pytest.mark.parametrize('tool', TOOLS)
def test_only_work_dirs_are_written(call, tmp_path, weights, data, tool):
    before = sorted(weights.parent.iterdir())
    call(tool, *fill(TOOLS[tool], weights, data))
    assert {path.name for path in tmp_path.iterdir()} <= {'work_dirs'}
    assert sorted(path.name for path in data.iterdir()) == ['a.JPEG']
    assert sorted(weights.parent.iterdir()) == before


WITH_WORK_DIR = [tool for tool in TOOLS if 'verify' not in tool]


@pytest.mark.parametrize('tool', WITH_WORK_DIR)
def test_files_of_a_training_stay_as_they_are(call, tmp_path, weights, data, tool):
    names = [f'{NAME}.py', 'epoch_1.pth', 'last_checkpoint', 'excitation.csv', 'result.json']
    work_dir = tmp_path / 'work_dirs' / NAME
    work_dir.mkdir(parents=True)
    for name in names:
        (work_dir / name).write_text(name)
    call(tool, *fill(TOOLS[tool], weights, data), '--work-dir', work_dir)
    assert [(work_dir / name).read_text() for name in names] == names


def test_results_of_two_folders_of_one_name(call, tmp_path, data):
    """The full path names the folder, so each finds its own results."""
    for parent in ('a', 'b'):
        (tmp_path / parent / 'train').mkdir(parents=True)
        (tmp_path / parent / 'train/x.JPEG').write_bytes(GOOD['jpeg'])
        call('dataset_tools/verify.py', f'{parent}/train', '--workers', '1')
    found = sorted((tmp_path / 'work_dirs/verify').rglob('verified.txt'))
    assert [path.parts[-3:-1] for path in found] == [('a', 'train'), ('b', 'train')]
    assert {path.name for path in (tmp_path / 'a/train').iterdir()} == {'x.JPEG'}


def test_training_writes_its_config_when_it_begins(call, tmp_path):
    """A training that cannot start keeps the previous config."""
    work_dir, config = tmp_path / 'work', tmp_path / f'work/{NAME}.py'
    options = ['--no-validate', '--work-dir', work_dir, '--cfg-options', 'train_cfg.max_epochs=1']
    few = 'train_dataloader.num_batch_per_epoch=1'
    call('train.py', NAME, *options, few)
    text = config.read_text()
    assert 'num_batch_per_epoch=1' in text
    with pytest.raises(FileNotFoundError):
        call('train.py', NAME, '--resume', 'nowhere.pth', *options, few, 'randomness.seed=3')
    assert config.read_text() == text


WRONG = [
    (['test.py', NAME, 'w.pth', '--out', 'x.txt', '--out-item', 'metrics'], 'metrics are written'),
    (['test.py', NAME, 'w.pth', '--work-dir', str(ROOT / 'README.md')], 'is a file; allowed: a fo'),
    (['test.py', NAME, 'w.pth', '--work-dir', os.devnull], 'is a device; allowed: a folder'),
    (['deploy.py', NAME, 'w.pth', '--threads', '0'], '--threads 0: allowed: 1 and more'),
    (['train.py', str(ROOT / 'configs/_base_/datasets/digits_bs64.py')], 'has no key model; allow'),
    (['train.py', str(ROOT / 'configs')], 'is a folder; allowed: a file, or the name of one'),
    (['train.py', str(ROOT / 'README.md')], 'README.md; allowed: files that end with .py, .json'),
    (
        ['visualization/browse_dataset.py', NAME, '--out', 'x.jpg'],
        'allowed: a file .png, .svg, .pdf in a',
    ),
]


@pytest.mark.parametrize(('command', 'message'), WRONG)
def test_wrong_arguments(call, command, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        call(*command)


TAKING = {
    'test.py': [NAME, 'x.onnx'],
    'train.py': [NAME, '--resume', 'x.onnx'],
    'train.py with weights': [NAME, '--cfg-options', 'load_from=x.onnx'],
    'deploy.py': [NAME, 'x.onnx'],
    'deploy.py without a config': ['x.onnx'],
    'analysis_tools/excitation.py': [NAME, 'x.onnx'],
    'model_converters/publish_model.py': ['x.onnx', 'out'],
}


@pytest.mark.parametrize('tool', TAKING)
def test_an_exported_network_is_no_checkpoint(call, tmp_path, tool):
    (tmp_path / 'x.onnx').write_bytes(b'as of another library')
    with pytest.raises(ValueError, match=r'x\.onnx is an exported network; allowed: a checkpoint'):
        call(tool.partition(' ')[0], *TAKING[tool])


def test_metrics_go_where_they_are_asked_for(call, tmp_path, weights):
    call('test.py', NAME, weights, '--out', 'metrics.json', '--out-item', 'metrics')
    assert 'accuracy/top1' in load(tmp_path / 'metrics.json')
