"""The path of torchvision by the tool: data, training, AP, pictures."""

import json
import logging
import math
import shutil
import warnings

import pytest
import torch
from PIL import Image

from senet_mm.utils.errors import NonFiniteError

from ..blocks import commands_run_by, words_of
from ..conftest import ROOT, load_tool
from .test_annotations import content, write

TINY = ['--size', 64, '--channels', 8, '--batch-size', 1, '--epochs', 1]


@pytest.fixture
def pair(tmp_path):
    """A data set of two images in each split."""
    for split in ('train', 'val'):
        write(tmp_path, split, content())
    return tmp_path


@pytest.mark.parametrize(('epochs', 'batch'), [(1, 1), (1, 2), (2, 2), (3, 1)])
def test_any_number_of_steps_trains(epochs, batch, pair):
    options = [*TINY, '--epochs', epochs, '--batch-size', batch]
    run_here(pair, *options, '--work-dir', pair / 'out')
    scores = json.loads((pair / 'out/result.json').read_text())['validations']
    steps = 2 // batch
    assert [score['iter'] for score in scores] == [steps * (i + 1) for i in range(epochs)]
    saved = torch.load(pair / f'out/epoch_{epochs}.pth', weights_only=False)
    assert all(torch.isfinite(value).all() for value in saved['state_dict'].values())
    rates = [float(line['lr']) for line in scalars(pair / 'out') if 'lr' in line]
    assert rates[-1] <= 0.02
    assert all(map(math.isfinite, rates))


@pytest.mark.parametrize(
    ('detector', 'metrics'),
    [('mask-rcnn', {'bbox_AP', 'bbox_AP50', 'segm_AP', 'segm_AP50'}),
     ('retinanet', {'bbox_AP', 'bbox_AP50'})],
)  # fmt: skip
def test_other_detectors_train(detector, metrics, pair):
    run_here(pair, *TINY, '--detector', detector, '--work-dir', pair / 'out')
    [score] = json.loads((pair / 'out/result.json').read_text())['validations']
    assert score.keys() == {'epoch', 'iter', *(f'coco/{name}' for name in metrics)}
    assert (pair / 'out/boxes.png').exists()


def scalars(work_dir):
    """The logged scalars of a run."""
    [file] = work_dir.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_an_epoch_has_a_batch(pair):
    message = 'an epoch has no batch; allowed: batch_size up to 2'
    with pytest.raises(ValueError, match=message):
        run_here(pair, *TINY, '--batch-size', 4, '--work-dir', pair / 'out')


def test_learns(run_tool, sample, tmp_path):
    """From nothing to some of the shapes in 120 steps on 96 images."""
    *_, train, test = commands_run_by('docs/detection.md', 'test_learns')
    words = words_of(train, {'data/detection-sample': sample, 'work_dirs/detector': tmp_path})
    run = run_tool(*words, '--size', 64)
    assert run.returncode == 0, run.stderr
    assert [line.split()[2] for line in run.stdout.splitlines() if line.startswith('  next')] == [
        'tools/test.py',
        'tools/report.py',
    ]
    scores = json.loads((tmp_path / 'result.json').read_text())['validations']
    assert [score['epoch'] for score in scores] == list(range(1, 11))
    assert scores[-1]['coco/bbox_AP50'] > 5
    losses = [line['loss'] for line in scalars(tmp_path) if 'loss' in line]
    assert losses[-1] < 0.6 * losses[0]
    best = max(scores, key=lambda score: score['coco/bbox_AP'])['epoch']
    assert [path.name for path in tmp_path.glob('best_*')] == [
        f'best_coco_bbox_AP_epoch_{best}.pth'
    ]
    assert f'coco/bbox_AP: {scores[-1]["coco/bbox_AP"]:.4f}' in run.stdout + run.stderr
    assert Image.open(tmp_path / 'boxes.png').width > 4 * 128
    words = [word.replace('work_dirs/detector', str(tmp_path)) for word in words_of(test)]
    run = run_tool(*words, '--work-dir', tmp_path / 'test')
    assert run.returncode == 0, run.stderr
    assert f'coco/bbox_AP: {scores[-1]["coco/bbox_AP"]:.4f}' in run.stdout + run.stderr


def test_a_huge_learning_rate_ends_the_training(pair, caplog):
    caplog.set_level(logging.WARNING)
    with pytest.raises(NonFiniteError, match=r'10 steps in a row were left out; .*'):
        run_here(pair, *TINY, '--epochs', 20, '--lr', 1e30, '--work-dir', pair / 'out')
    [log] = (pair / 'out').glob('*/*.log')
    assert 'a.png' in log.read_text().partition('left out')[2]


@pytest.mark.parametrize(
    'option',
    ['--epochs 0', '--epochs -1', '--size 0', '--size 31', '--channels 0', '--batch-size 0',
     '--seed -1', '--lr nan', '--lr inf', '--lr 0', '--lr -1', '--out README.md',
     '--detector yolo'],
)  # fmt: skip
def test_options_are_checked_before_data_is_read(option, monkeypatch):
    tool = load_tool('tools/train_detector.py')
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr('sys.argv', ['x', 'nowhere', *option.split()])
    value = option.split()[1]
    with pytest.raises(ValueError, match=f"[ =']{value}.*; allowed: "):
        tool.main(tool.parse_args())


@pytest.mark.parametrize('split', ['train', 'val'])
@pytest.mark.parametrize(
    ('backbone', 'size', 'sides', 'message'),
    [
        ('seresnet18_8xb32_in1k', 64, (1, 106), '1 x 106 pixels, of which scaling to 64 leaves no'),
        ('seresnet18_8xb32_in1k', 64, (900, 3), '900 x 3 pixels, of which scaling to 64 leaves no'),
        ('inception-v4_8xb128-100e_in1k', 128, (16, 80), 'side of 64: the image is .*from 75'),
    ],
)
def test_shapes_are_checked_before_training(backbone, size, sides, message, split, tmp_path):
    for part in ('train', 'val'):
        given = content()
        given['annotations'].pop()
        width, height = sides if part == split else (80, 64)
        given['images'][1].update(width=width, height=height)
        write(tmp_path, part, given)
        Image.new('RGB', (width, height)).save(tmp_path / part / 'deep/b.png')
    args = [backbone, *TINY, '--size', str(size), '--out', tmp_path / 'out']
    with pytest.raises(ValueError, match=rf'{split}/deep/b\.png.* {message}'):
        run_here(tmp_path, '--backbone', *args)
    assert not list((tmp_path / 'out').glob('*.pth'))


def run_here(*args):
    """The tool in this process."""
    tool = load_tool('tools/train_detector.py')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('sys.argv', ['x', *map(str, args)])
        tool.main(tool.parse_args())


def test_narrow_images_train(tmp_path):
    """Side by side 1 to 105 is the last that torchvision can scale to 64; nothing is found."""
    given = content()
    given['images'][1].update(width=1, height=105)
    given['annotations'].pop()
    for split in ('train', 'val'):
        path = write(tmp_path, split, given) / split / 'deep/b.png'
        Image.new('RGB', (1, 105)).save(path)
    with warnings.catch_warnings(action='error', category=UserWarning):
        run_here(tmp_path, *TINY, '--out', tmp_path / 'out')
    assert (tmp_path / 'out/boxes.png').exists()


@pytest.mark.parametrize('harm', ['cut off', 'other size'])
def test_validation_images_are_checked_before_training(harm, sample, tmp_path):
    shutil.copytree(sample, tmp_path / 'data')
    path = sorted((tmp_path / 'data/val').iterdir())[-1]
    if harm == 'cut off':
        path.write_bytes(path.read_bytes()[:-50])
    else:
        Image.new('RGB', (20, 20)).save(path)
    with pytest.raises(ValueError, match=f'{path.name}.*(is cut off|is 20 x 20 pixels)'):
        run_here(tmp_path / 'data', '--size', 64, '--out', tmp_path / 'out')
    assert not list((tmp_path / 'out').glob('*.pth'))


def test_mistakes_are_one_line(run_tool, sample, tmp_path):
    run = run_tool('tools/train_detector.py', tmp_path / 'nowhere')
    assert run.stderr.startswith('error: annotations ')
    run = run_tool('tools/train_detector.py', sample, '--out', tmp_path, '--detector', 'yolo')
    assert run.stderr.startswith("error: detector='yolo' is not known; allowed: faster-rcnn, mask")
