"""Networks of timm, mmpretrain and torchvision against ours with their weights."""

import pytest
import timm
import torchvision
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS

from .parity import difference, from_tensors, image, randomise

# Name there, config, largest difference of float32 logits.
TIMM = [
    ('legacy_seresnet50', 'seresnet50-caffe_in1k', 2e-5),
    ('legacy_seresnet101', 'seresnet101-caffe_in1k', 1e-4),
    ('legacy_seresnet152', 'seresnet152-caffe_in1k', 3e-4),
    ('legacy_seresnext50_32x4d', 'seresnext50-32x4d-caffe_in1k', 2e-5),
    ('legacy_seresnext101_32x4d', 'seresnext101-32x4d-caffe_in1k', 1e-4),
    ('legacy_senet154', 'senet154-caffe_in1k', 3e-4),
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


def assert_parity(kind, model, config, tolerance, file):
    randomise(model, image(64))
    ours = from_tensors(kind, model, config, file)
    assert difference(ours, model, image(64)) < tolerance
    assert difference(ours, model, image(64).double()) < 1e-9


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.parametrize(('name', 'config', 'tolerance'), TIMM)
def test_timm(name, config, tolerance, suffix, tmp_path):
    if suffix == '.pth' or name == 'seresnet50':
        assert_parity('timm', timm.create_model(name), config, tolerance, tmp_path / f'net{suffix}')


@pytest.mark.parametrize(('name', 'depth', 'config', 'tolerance'), MMPRETRAIN)
def test_mmpretrain(name, depth, config, tolerance, tmp_path):
    model = ImageClassifier(
        backbone=MMPRETRAIN_MODELS.get(f'mmpretrain.{name}')(depth),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=1000, in_channels=2048),
    )
    assert_parity('mmpretrain', model, config, tolerance, tmp_path / 'net.pth')
