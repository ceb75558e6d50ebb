"""Other layers for the place of SE: ECA, spatial and scSE, Gather-Excite."""

import pytest
import torch
import torch.nn.functional as F
from timm.layers import EcaModule, GatherExcite
from torch import nn
from torch.autograd import gradcheck

from senet_mm.models import (
    ECALayer,
    GatherExciteLayer,
    ImageClassifier,
    SCSELayer,
    SpatialSELayer,
)
from senet_mm.registry import MODELS

LAYERS = {
    'eca': dict(type='ECALayer'),
    'spatial': dict(type='SpatialSELayer'),
    'scse-sum': dict(type='SCSELayer'),
    'scse-plain': dict(type='SCSELayer', ratio=4, bias=False),
    'scse-max': dict(type='SCSELayer', combination='max'),
    'ge-global': dict(type='GatherExciteLayer'),
    'ge-4': dict(type='GatherExciteLayer', extent=4),
    'ge-theta-global': dict(type='GatherExciteLayer', parameters=True, size=3),
    'ge-theta-4': dict(type='GatherExciteLayer', extent=4, parameters=True),
}


def build(name, channels):
    """A layer in float64, its parameters as after training."""
    layer = MODELS.build(dict(LAYERS[name], channels=channels)).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer


def image(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize('channels', [8, 16, 64, 96, 128, 256, 512, 2048])
def test_eca_equals_timm(channels):
    ours, peer = ECALayer(channels).double(), EcaModule(channels).double()
    peer.load_state_dict(ours.state_dict())
    x = image(2, channels, 5, 7)
    torch.testing.assert_close(ours(x), peer(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(('channels', 'size'), [(64, 3), (256, 5), (512, 5), (2048, 7)])
def test_eca_kernel_sizes_of_the_paper(channels, size):
    assert ECALayer(channels).conv.kernel_size == (size,)


def test_eca_gate_sees_its_neighbours_alone():
    layer = ECALayer(16, kernel_size=3)
    base, changed = torch.zeros(1, 16, 2, 2), torch.zeros(1, 16, 2, 2)
    changed[:, 6] = 1
    differs = (layer.scale(base) != layer.scale(changed)).flatten()
    assert differs.nonzero().flatten().tolist() == [5, 6, 7]


@pytest.mark.parametrize('combination', ['sum', 'max'])
def test_scse_is_the_formula(combination):
    layer = build(f'scse-{combination}', 8)
    x = image(2, 8, 3, 5)
    fc1, fc2 = layer.channel_se.fc1, layer.channel_se.fc2
    hidden = torch.relu(x.mean((2, 3)) @ fc1.weight.flatten(1).T + fc1.bias)
    channel = torch.sigmoid(hidden @ fc2.weight.flatten(1).T + fc2.bias)[:, :, None, None]
    conv = layer.spatial_se.conv
    spatial = torch.sigmoid((x * conv.weight).sum(1, keepdim=True) + conv.bias)
    maps = torch.stack([x * channel, x * spatial])
    expected = maps.sum(0) if combination == 'sum' else maps.amax(0)
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)
    assert fc1.out_channels == 4


def test_spatial_se_has_one_gate_per_position():
    layer = SpatialSELayer(8)
    assert layer.scale(torch.randn(2, 8, 3, 5)).shape == (2, 1, 3, 5)
    assert sum(p.numel() for p in layer.parameters()) == 9


@pytest.mark.parametrize('side', [7, 8, 14, 15])
@pytest.mark.parametrize('extent', [0, 2, 4, 8])
def test_gather_excite_equals_timm(extent, side):
    peer = GatherExcite(8, extent=extent, use_mlp=False).double()
    x = image(2, 8, side, side)
    expected = peer(x)
    torch.testing.assert_close(
        GatherExciteLayer(8, extent=extent)(x), expected, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(('extent', 'side'), [(2, 7), (4, 14), (8, 14), (8, 5)])
def test_learned_gather_is_a_chain_of_strided_convolutions(extent, side):
    layer = GatherExciteLayer(8, extent, parameters=True).double()
    nn.init.normal_(layer.gather[1].bias)
    x = image(3, 8, side, side)
    gathered, steps = x, extent.bit_length() - 1
    for i in range(steps):
        conv, norm = layer.gather[3 * i], layer.gather[3 * i + 1]
        gathered = F.conv2d(gathered, conv.weight, stride=2, padding=1, groups=8)
        gathered = F.batch_norm(gathered, None, None, norm.weight, norm.bias, training=True)
        if i < steps - 1:
            gathered = gathered.relu()
    assert len(layer.gather) == 3 * steps - 1
    # Nearest neighbours by index: position i of the map takes i * small // large.
    index = torch.arange(side) * gathered.shape[-1] // side
    expected = x * gathered[:, :, index][:, :, :, index].sigmoid()
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_learned_gather_over_the_map_is_a_weighted_sum():
    layer = build('ge-theta-global', 4).eval()
    conv, norm = layer.gather[1], layer.gather[2]
    x = image(2, 4, 3, 3)
    gathered = F.batch_norm(
        (x * conv.weight[:, 0]).sum((2, 3)),
        norm.running_mean, norm.running_var, norm.weight, norm.bias,
    )  # fmt: skip
    torch.testing.assert_close(layer(x), x * gathered.sigmoid()[:, :, None, None])
    # A larger map is averaged to the size of the kernel first.
    large = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(layer.scale(large), layer.scale(x))


@pytest.mark.parametrize('name', LAYERS)
def test_gradients_and_shapes(name):
    layer, x = build(name, 4), image(2, 4, 6, 5).requires_grad_()
    assert layer(x).shape == x.shape
    torch.testing.assert_close(layer.eval()(x), x * layer.scale(x), rtol=1e-12, atol=1e-12)
    assert gradcheck(layer, x)


@pytest.mark.parametrize('name', LAYERS)
def test_any_layer_fits_the_slot_and_learns(name):
    model = ImageClassifier(dict(type='ResNet', depth=8), se=dict(layer=LAYERS[name]))
    model.init_weights()
    model(torch.randn(2, 3, 32, 32))[0].square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for n, p in model.named_parameters() if n.endswith('weight'))


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(type='ECALayer', kernel_size=4), 'kernel_size=4 is not known; allowed: 1, 3, 5'),
        (dict(type='ECALayer', kernel_size=-1), 'kernel_size=-1 is not known; allowed: 1, 3'),
        (dict(type='GatherExciteLayer', extent=1), 'extent=1 is not known; allowed: 0, 2, 4'),
        (dict(type='GatherExciteLayer', extent=6), 'extent=6 is not known; allowed: 0, 2, 4'),
        (dict(type='GatherExciteLayer', extent=-2), 'extent=-2 is not known; allowed: 0, 2, 4'),
        (dict(type='SCSELayer', combination='mul'), "combination='mul' is not known; allowed: su"),
        (dict(type='SCSELayer', ratio=17), 'ratio=17 leaves no hidden channel of 16; allowed'),
    ],
)
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(kwargs, channels=16))


def test_scse_default_is_the_papers():
    assert SCSELayer(16).combine is torch.add
