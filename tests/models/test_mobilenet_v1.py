import pytest
import timm
import torch
from torch import nn

from senet_mm.models import MobileNetV1

from .plain import assert_equal, assert_gradients_flow, complexity, disturb


def test_equals_timm():
    model = disturb(MobileNetV1(act_cfg=dict(type='ReLU6')))
    peer = timm.create_model('mobilenetv1_100', num_classes=0, global_pool='')
    assert_equal(model, peer, torch.randn(2, 3, 64, 64, dtype=torch.float64))


def test_counts_are_the_published_ones():
    """4.2 M parameters and 569 million multiply-adds (paper, table 8)."""
    params, macs = complexity(MobileNetV1(), 1024, 1000, 224)
    assert params == 4_231_976
    assert macs == 568_740_352


@pytest.mark.parametrize(('factor', 'params', 'mult_adds'), [(0.75, 2.6, 325), (0.5, 1.3, 149)])
def test_width_multiplier(factor, params, mult_adds):
    """Table 6 of the paper."""
    counts = complexity(MobileNetV1(factor), int(1024 * factor), 1000, 224)
    assert round(counts[0] / 1e6, 1) == params
    assert round(counts[1] / 1e6) == mult_adds


def test_stages_have_strides_2_to_32():
    maps = MobileNetV1(out_indices=range(5)).eval()(torch.rand(1, 3, 64, 96))
    channels, strides = (64, 128, 256, 512, 1024), (2, 4, 8, 16, 32)
    expected = [(c, 64 // s, 96 // s) for c, s in zip(channels, strides, strict=True)]
    assert [tuple(feature.shape[1:]) for feature in maps] == expected


def test_gradients_flow():
    assert_gradients_flow(MobileNetV1(), torch.randn(2, 3, 64, 64))


def test_init_is_he_with_fan_in():
    model = MobileNetV1()
    model.init_weights()
    depthwise = model.layer5[1].depthwise.conv.weight  # fan-in 9, fan-out 9 * 1024
    assert depthwise.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.05)


@pytest.mark.parametrize('frozen', [-1, 0, 2, 5])
def test_frozen_stages(frozen):
    model = MobileNetV1(frozen_stages=frozen).train()
    parts = [model.stem, *(layer for [layer] in model.stages)]
    for i, part in enumerate(parts):
        assert all(p.requires_grad == (i > frozen) for p in part.parameters())
        norms = [m for m in part.modules() if isinstance(m, nn.BatchNorm2d)]
        assert all(norm.training == (i > frozen) for norm in norms)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(widen_factor=0.01), 'widen_factor=0.01 leaves no channel; allowed: from 1 / 32'),
        (dict(out_indices=(5,)), 'out_indices=5 is not known; allowed: -5'),
        (dict(frozen_stages=6), 'frozen_stages=6 is not known; allowed: -1, 0'),
    ],
)
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MobileNetV1(**kwargs)
