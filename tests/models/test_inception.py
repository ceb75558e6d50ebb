import pytest
import timm
import torch

from senet_mm.models import InceptionResNetV2, InceptionV4
from senet_mm.models.backbones import InceptionBlock, InceptionResNetBlock
from senet_mm.utils.complexity import get_complexity

from .plain import assert_equal, assert_gradients_flow, complexity, disturb

NETS = [InceptionV4, InceptionResNetV2]
NAMES = {InceptionV4: 'inception_v4', InceptionResNetV2: 'inception_resnet_v2'}


@pytest.mark.slow
@pytest.mark.parametrize('net', NETS)
def test_equals_timm(net):
    """Outputs and all gradients; every map is odd at 75 pixels and even somewhere at 102."""
    model = disturb(net())
    peer = timm.create_model(NAMES[net], num_classes=0, global_pool='')
    for side in (75, 102):
        assert_equal(model, peer, torch.randn(1, 3, side, side, dtype=torch.float64), 1e-11)
        model.zero_grad()
        peer.zero_grad()


@pytest.mark.slow
@pytest.mark.parametrize(
    ('net', 'params', 'macs'),
    [
        (InceptionV4, 42_679_816, 12_253_974_624),
        (InceptionResNetV2, 55_843_464, 13_155_794_016),
    ],
)
def test_counts_are_those_of_timm(net, params, macs):
    assert complexity(net(), 1536, 1000, 299) == (params, macs)
    peer = get_complexity(timm.create_model(NAMES[net]), (3, 299, 299))
    assert (peer.params, peer.macs) == (params, macs)


@pytest.mark.parametrize(('net', 'channels'), [(InceptionV4, 384), (InceptionResNetV2, 320)])
def test_stages(net, channels):
    maps = net(out_indices=(0, 1, 2)).eval()(torch.rand(1, 3, 139, 139))
    middle = 1024 if net is InceptionV4 else 1088
    shapes = [(channels, 15, 15), (middle, 7, 7), (1536, 3, 3)]
    assert [tuple(feature.shape[1:]) for feature in maps] == shapes


@pytest.mark.parametrize('net', NETS)
def test_gradients_flow(net):
    assert_gradients_flow(net(), torch.randn(2, 3, 107, 107))


def test_modules():
    """4 A, 7 B, 3 C and two reductions; 10, 20, 10 residual modules and three others."""
    blocks = [block for [layer] in InceptionV4().stages for block in layer]
    assert [type(block) for block in blocks] == [InceptionBlock] * 16
    stages = InceptionResNetV2().stages
    residual = [sum(isinstance(b, InceptionResNetBlock) for b in stage[0]) for stage in stages]
    assert residual == [10, 20, 10]
    assert [type(stage[0][0]) for stage in stages] == [InceptionBlock] * 3


def test_the_residual_is_what_is_added():
    block, x = InceptionResNetV2().layer1[1].eval(), torch.randn(1, 320, 5, 5)
    torch.testing.assert_close(block(x), torch.relu(x + block.residual(x)), rtol=0, atol=0)


@pytest.mark.parametrize('frozen', [0, 2])
def test_frozen_stages(frozen):
    model = InceptionResNetV2(frozen_stages=frozen).train()
    parts = [[model.stem], *model.stages]
    for i, modules in enumerate(parts):
        parameters = [p for module in modules for p in module.parameters()]
        assert all(p.requires_grad == (i > frozen) for p in parameters)


def test_a_small_image_is_refused():
    with pytest.raises(ValueError, match=r'image is \(100, 74\); allowed: sides from 75'):
        InceptionV4()(torch.rand(1, 3, 100, 74))
