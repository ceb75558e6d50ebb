"""The path of torchvision by the tool: data, training, AP, pictures."""

import json
import math
import shutil
import warnings

import pytest
import torch
from PIL import Image
from senet_mm.detection.train import train

from senet_mm.utils.errors import InputError, NonFiniteError, OutOfMemoryError, is_answer

from ..conftest import ROOT, load_tool
from .test_annotations import content, write


class Toy(torch.nn.Module):
    """A detector whose loss is its parameter."""

    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.ones(1))

    def forward(self, images, targets):
        return {'loss': self.value.square().sum()}


@pytest.mark.parametrize('images', [2, 3, 5])
@pytest.mark.parametrize('epochs', [1, 2, 3])
def test_any_number_of_steps_trains(epochs, images):
    losses = train(Toy(), ToyData(*[0.0] * images), epochs, batch_size=2, lr=0.1)
    assert len(losses) == epochs
    assert losses == sorted(losses, reverse=True)


def test_an_epoch_has_a_batch():
    with pytest.raises(ValueError, match='batch size 4; allowed for 3 images: 1 to 3'):
        train(Toy(), [(torch.zeros(3, 8, 8), {})] * 3, 1, batch_size=4, lr=0.1)


def test_learns(run_tool, sample, tmp_path):
    """From nothing to some of the shapes in 120 steps on 96 images.

    docs/detection.md has the commands.
    """
    options = ['--size', 64, '--epochs', 10, '--lr', 0.02]
    run = run_tool('tools/train_detector.py', sample, '--out', tmp_path, *options)
    assert run.returncode == 0, run.stderr
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert metrics['losses'][-1] < 0.6 * metrics['losses'][0]
    assert metrics['bbox_AP50'] > 5
    assert (tmp_path / 'detector.pth').exists()
    assert Image.open(tmp_path / 'boxes.png').width > 4 * 128


class ToyData(list):
    """Images 0, 1, ... of the number that each image has in all its pixels."""

    def __init__(self, *values):
        super().__init__(
            (torch.full((3, 8, 8), value), {'image_id': i}) for i, value in enumerate(values)
        )

    def get_path(self, number):
        return f'{number}.png'


class Normed(torch.nn.Module):
    """A detector whose loss is that of its normalised images."""

    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(3)

    def forward(self, images, targets):
        return {'loss': self.norm(torch.stack(images)).exp().mean()}


def test_a_huge_learning_rate_ends_the_training():
    message = r'10 steps in a row were left out at lr=1e\+30, the last with loss (inf|nan), images'
    with pytest.raises(NonFiniteError, match=message):
        train(Toy(), ToyData(*[0.0] * 8), 9, batch_size=1, lr=1e30)


def test_a_bad_batch_is_left_out(capsys):
    """Nothing remains of it; the others train."""
    bad, other = Normed(), Normed()
    losses = train(bad, ToyData(1.0, math.nan, 2.0, math.nan), 1, batch_size=1, lr=0.1)
    assert math.isfinite(losses[0])
    assert bad.norm.num_batches_tracked == 2
    assert all(torch.isfinite(value).all() for value in bad.state_dict().values())
    assert not torch.equal(bad.norm.bias, other.norm.bias)
    lines = [line for line in capsys.readouterr().out.splitlines() if 'left out' in line]
    assert sorted(lines) == [f'step left out: loss nan, images {number}.png' for number in (1, 3)]


def test_a_full_device_gets_advice():
    class Full(Toy):
        def forward(self, images, targets):
            raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0')

    message = r'^out of memory \(allocate 20.00 MiB more\): batch size 2; allowed: a smaller one'
    with pytest.raises(OutOfMemoryError, match=message):
        train(Full(), ToyData(0.0, 0.0), 1, batch_size=2, lr=0.1)


@pytest.mark.parametrize(
    ('error', 'answers'), [(ValueError('a fault'), False), (InputError('a.png: cut off'), True)]
)
def test_faults_of_the_program_keep_their_traceback(error, answers):
    class Data(list):
        def __getitem__(self, index):
            raise error

    with pytest.raises(ValueError) as raised:  # noqa: PT011
        train(Toy(), Data([0, 0]), 1, batch_size=1, lr=0.1)
    assert is_answer(raised.value) is answers


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
    args = [backbone, '--size', str(size), '--channels', '8', '--out', tmp_path / 'out']
    with pytest.raises(ValueError, match=rf'{split}/deep/b\.png.* {message}'):
        run_here(tmp_path, '--backbone', *args)
    assert not (tmp_path / 'out').exists()


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
    options = ['--size', 64, '--channels', 8, '--batch-size', 1, '--epochs', 1]
    with warnings.catch_warnings(action='error', category=UserWarning):
        run_here(tmp_path, *options, '--out', tmp_path / 'out')
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
    assert not (tmp_path / 'out').exists()


def test_mistakes_are_one_line(run_tool, sample, tmp_path):
    run = run_tool('tools/train_detector.py', tmp_path / 'nowhere')
    assert run.stderr.startswith('error: annotations ')
    run = run_tool('tools/train_detector.py', sample, '--out', tmp_path, '--detector', 'yolo')
    assert run.stderr.startswith("error: detector='yolo' is not known; allowed: faster-rcnn, mask")
