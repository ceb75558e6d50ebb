"""SEBNInception: the released network, and what every backbone must do."""

import pytest
import torch
from torch import nn

from senet_mm.models import BNInception, SEBNInception, SELayer, insert_se
from tests.converters.caffe_interpreter import random_blobs, run
from tests.converters.parity import CONFIGS, NETS, build, from_caffe

NAME = 'SE-BN-Inception'
NET = NETS[NAME]


@pytest.fixture(scope='module')
def parity(tmp_path_factory):
    """An image, Caffe's feature maps and logits (float64), and our classifier with its weights."""
    image = 60 * torch.randn(1, *NET.input, generator=torch.Generator().manual_seed(0))
    # Division by a power of 2 is exact.
    blobs = random_blobs(NET.layers, image, factor=1024)
    tops = ('inception_3b/output', 'inception_4d/output', 'inception_5b/output', 'classifier')
    expected = run(NET.layers, blobs, image.double(), tops)
    model = from_caffe(NAME, NET.layers, blobs, tmp_path_factory.mktemp('caffe'))
    model.backbone.out_indices = {0, 1, 2}
    return image, expected, model


@pytest.mark.parametrize(
    ('dtype', 'tolerance'), [(torch.float64, 1e-9), (torch.float32, 1e-3)], ids=str
)
def test_equals_caffe(parity, dtype, tolerance):
    image, expected, model = parity
    model.to(dtype)
    with torch.no_grad():
        features = model.backbone(image.to(dtype))
        actual = [*features, model.head((features[-1].mean((2, 3)),))]
    for ours, caffe in zip(actual, expected, strict=True):
        assert ours.shape == caffe.shape
        assert (ours - caffe).abs().max() < tolerance


def test_parameters_are_the_blobs():
    blobs = [
        shape for layer in NET.layers for shape in layer.blob_shapes if 'Batch' not in layer.type
    ]
    model = build(CONFIGS[NAME])
    assert [list(parameter.shape) for parameter in model.parameters()] == blobs


def test_plain_network_is_the_same_without_se():
    plain, full = BNInception().state_dict(), SEBNInception().state_dict()
    assert list(plain) == [name for name in full if '.se.' not in name]


def test_insert_se_fills_the_slots():
    backbone = BNInception()
    insert_se(backbone, dict(type='SELayer', ratio=16))
    assert list(backbone.state_dict()) == list(SEBNInception().state_dict())
    hidden = [
        module.fc1.out_channels for module in backbone.modules() if isinstance(module, SELayer)
    ]
    assert hidden == [16, 20, 36, 36, 36, 38, 38, 66, 64, 64]
    with pytest.raises(ValueError, match=r'layer at inception_3a\.se already'):
        insert_se(backbone, dict(type='SELayer', ratio=16))


def test_stages_have_strides_8_16_32():
    maps = SEBNInception(in_channels=1, out_indices=(0, 1, 2)).eval()(torch.rand(2, 1, 64, 96))
    shapes = [(2, 320, 8, 12), (2, 608, 4, 6), (2, 1024, 2, 3)]
    assert [tuple(feature.shape) for feature in maps] == shapes


def test_default_output_is_the_last_stage():
    [feature] = SEBNInception().eval()(torch.rand(1, 3, 32, 32))
    assert feature.shape == (1, 1024, 1, 1)


@pytest.mark.parametrize('side', [30, 39, 217, 299])
def test_a_side_that_does_not_halve_is_refused(side):
    with pytest.raises(ValueError, match=rf'image is \(64, {side}\); allowed: sides from 32k - 1'):
        SEBNInception()(torch.rand(1, 3, 64, side))


@pytest.mark.parametrize('side', [31, 38, 63])
def test_the_borders_of_the_allowed_sides(side):
    [feature] = SEBNInception().eval()(torch.rand(1, 3, 32, side))
    assert feature.shape[-1] == (side + 1) // 32


@pytest.mark.parametrize(
    'wrong', [dict(out_indices=(3,)), dict(out_indices=(-4,)), dict(frozen_stages=4)], ids=str
)
def test_a_stage_that_does_not_exist_is_refused(wrong):
    with pytest.raises(ValueError, match=rf'{next(iter(wrong))}=.*; allowed: .*-\d'):
        SEBNInception(**wrong)


def test_frozen_stages_stay_frozen():
    backbone = SEBNInception(frozen_stages=1).train()
    frozen = ('conv', 'inception_3a', 'inception_3b')
    for name, parameter in backbone.named_parameters():
        assert parameter.requires_grad == (not name.startswith(frozen)), name
    for name, module in backbone.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.training == (not name.startswith(frozen)), name


def test_norm_eval_keeps_the_statistics():
    backbone = SEBNInception(norm_eval=True).train()
    assert backbone.inception_5b.training
    assert not any(m.training for m in backbone.modules() if isinstance(m, nn.BatchNorm2d))


def test_checkpointing_gives_the_same_gradients():
    gradients = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        backbone = SEBNInception(with_cp=with_cp).double().eval()
        backbone(torch.rand(1, 3, 32, 32, dtype=torch.float64))[0].sum().backward()
        gradients.append([parameter.grad for parameter in backbone.parameters()])
    for stored, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(stored, recomputed, rtol=1e-6, atol=1e-15)
