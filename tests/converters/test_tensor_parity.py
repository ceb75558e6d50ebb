"""Networks of timm, mmpretrain and torchvision against ours with their weights."""

import pytest
import timm
import torch
import torchvision
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS

from .parity import difference, from_tensors, image, randomise

pytestmark = pytest.mark.slow

# Name there, config, largest difference of float32 logits.
TIMM = [
    ('legacy_seresnet50', 'seresnet50-caffe_8xb32_in1k', 2e-5),
    ('legacy_seresnet101', 'seresnet101-caffe_8xb32_in1k', 1e-4),
    ('legacy_seresnet152', 'seresnet152-caffe_8xb32_in1k', 3e-4),
    ('legacy_seresnext50_32x4d', 'seresnext50-32x4d-caffe_8xb32_in1k', 2e-5),
    ('legacy_seresnext101_32x4d', 'seresnext101-32x4d-caffe_8xb32_in1k', 1e-4),
    ('legacy_senet154', 'senet154-caffe_64xb32-100e_in1k', 3e-4),
    ('seresnet50', 'seresnet50_8xb32_in1k', 2e-5),
    ('seresnext50_32x4d', 'seresnext50-32x4d_8xb32_in1k', 2e-5),
    ('senet154', 'senet154_8xb32_in1k', 3e-4),
]
MMPRETRAIN = [
    ('SEResNet', 50, 'seresnet50_8xb32_in1k', 2e-5),
    ('SEResNet', 101, 'seresnet101_8xb32_in1k', 1e-4),
    ('SEResNet', 152, 'seresnet152_8xb32_in1k', 3e-4),
    ('SEResNeXt', 50, 'seresnext50-32x4d_8xb32_in1k', 2e-5),
    ('SEResNeXt', 101, 'seresnext101-32x4d_8xb32_in1k', 1e-4),
]

PLAIN = """model = dict(
    type='ImageClassifier',
    backbone={backbone},
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=2048),
)
"""


def assert_parity(kind, model, config, tolerance, file):
    randomise(model, image(64))
    ours = from_tensors(kind, model, config, file)
    assert difference(ours, model, image(64)) < tolerance
    assert difference(ours, model, image(64).double()) < 1e-9


@pytest.mark.parametrize(('name', 'config', 'tolerance'), TIMM)
def test_timm(name, config, tolerance, tmp_path):
    # The files are alike, so one of each format will do.
    suffix = '.safetensors' if name in ('legacy_senet154', 'seresnet50') else '.pth'
    assert_parity('timm', timm.create_model(name), config, tolerance, tmp_path / f'net{suffix}')


@pytest.mark.parametrize(('name', 'depth', 'config', 'tolerance'), MMPRETRAIN)
def test_mmpretrain(name, depth, config, tolerance, tmp_path):
    model = ImageClassifier(
        backbone=MMPRETRAIN_MODELS.get(f'mmpretrain.{name}')(depth),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=1000, in_channels=2048),
    )
    assert_parity('mmpretrain', model, config, tolerance, tmp_path / 'net.pth')


@pytest.mark.parametrize(
    ('name', 'config'), [('resnet50', 'ResNet'), ('resnext50_32x4d', 'ResNeXt')]
)
def test_torchvision(name, config, tmp_path):
    """Plain weights in plain networks."""
    backbone = f"dict(type='{config}', depth=50)"
    (tmp_path / 'plain.py').write_text(PLAIN.format(backbone=backbone))
    config = str(tmp_path / 'plain.py')
    assert_parity(
        'torchvision', torchvision.models.get_model(name), config, 2e-5, tmp_path / 'net.pth'
    )


def test_torchvision_as_a_start_of_training_with_se(tmp_path, capsys):
    """The SE layers are as the config initialises them, the same every time."""
    model = randomise(torchvision.models.resnet50(), image(64))
    config = 'seresnet50_8xb32_in1k'
    ours = from_tensors('torchvision', model, config, tmp_path / 'net.pth').state_dict()
    again = from_tensors('torchvision', model, config, tmp_path / 'again.pth').state_dict()
    [said] = {line for line in capsys.readouterr().out.splitlines() if 'initialisation' in line}
    assert said.startswith('64 tensors that torchvision does not have (SE) keep the initialisation')
    theirs = model.state_dict()
    for key, tensor in ours.items():
        name = key.removeprefix('backbone.').removeprefix('head.')
        assert torch.equal(tensor, again[key] if '.se.' in key else theirs[name])
    assert sum('.se.' in key for key in ours) == 64
    assert (ours['backbone.layer1.0.se.fc1.bias'] == 0).all()
    assert ours['backbone.layer1.0.se.fc1.weight'].std() > 0
