"""The path of torchvision by the tool: data, training, AP, pictures."""

import json

import pytest
import torch
from PIL import Image

from senet_mm.detection.train import train


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
    data = [(torch.zeros(3, 8, 8), {})] * images
    losses = train(Toy(), data, epochs, batch_size=2, lr=0.1)
    assert len(losses) == epochs
    assert losses == sorted(losses, reverse=True)


def test_an_epoch_has_a_batch():
    with pytest.raises(ValueError, match='batch size 4; allowed for 3 images: 1 to 3'):
        train(Toy(), [(torch.zeros(3, 8, 8), {})] * 3, 1, batch_size=4, lr=0.1)


def test_learns(run_tool, sample, tmp_path):
    """From nothing to some of the shapes in 120 steps on 96 images."""
    options = ['--size', 64, '--epochs', 10, '--lr', 0.02]
    run = run_tool('tools/train_detector.py', sample, '--out', tmp_path, *options)
    assert run.returncode == 0, run.stderr
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert metrics['losses'][-1] < 0.6 * metrics['losses'][0]
    assert metrics['bbox_AP50'] > 5
    assert (tmp_path / 'detector.pth').exists()
    assert Image.open(tmp_path / 'boxes.png').width > 4 * 128


def test_mistakes_are_one_line(run_tool, sample, tmp_path):
    run = run_tool('tools/train_detector.py', tmp_path / 'nowhere')
    assert run.stderr.startswith('error: annotations ')
    run = run_tool('tools/train_detector.py', sample, '--out', tmp_path, '--detector', 'yolo')
    assert run.stderr.startswith("error: detector='yolo' is not known; allowed: faster-rcnn, mask")
