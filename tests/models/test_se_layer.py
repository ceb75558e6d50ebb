import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from senet_mm.models import SELayer
from senet_mm.registry import MODELS


def excite(layer, squeezed, act=torch.relu, gate=torch.sigmoid):
    """The gate by matrix products, from the paper's equation 3."""
    w1, w2 = layer.fc1.weight.flatten(1), layer.fc2.weight.flatten(1)
    return gate(act(squeezed @ w1.T + layer.fc1.bias) @ w2.T + layer.fc2.bias)


@pytest.mark.parametrize(
    ('squeeze', 'reduce'),
    [('AvgSqueeze', lambda x: x.mean((2, 3))), ('MaxSqueeze', lambda x: x.amax((2, 3)))],
)
def test_equals_the_equation(squeeze, reduce):
    layer = SELayer(32, ratio=4, squeeze_cfg=dict(type=squeeze)).double()
    nn.init.normal_(layer.fc1.bias)
    nn.init.normal_(layer.fc2.bias)
    x = torch.randn(3, 32, 5, 7, dtype=torch.float64)
    expected = x * excite(layer, reduce(x))[:, :, None, None]
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_no_squeeze_acts_at_every_position():
    layer = SELayer(16, ratio=4, squeeze_cfg=dict(type='NoSqueeze')).double()
    x = torch.randn(2, 16, 3, 3, dtype=torch.float64)
    pixel = x[:, :, 1, 2]
    expected = pixel * excite(layer, pixel)
    assert layer.scale(x).shape == x.shape
    torch.testing.assert_close(layer(x)[:, :, 1, 2], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ('act', 'gate', 'functions'),
    [
        ('LeakyReLU', 'Tanh', (nn.functional.leaky_relu, torch.tanh)),
        ('ReLU', 'HSigmoid', (torch.relu, nn.functional.hardsigmoid)),
    ],
)
def test_any_activation_and_gate(act, gate, functions):
    layer = SELayer(16, ratio=4, act_cfg=dict(type=act), gate_cfg=dict(type=gate)).double()
    x = torch.randn(2, 16, 4, 4, dtype=torch.float64)
    expected = excite(layer, x.mean((2, 3)), *functions)[:, :, None, None]
    torch.testing.assert_close(layer.scale(x), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('squeeze', ['AvgSqueeze', 'MaxSqueeze', 'NoSqueeze'])
def test_gradients(squeeze):
    layer = SELayer(8, ratio=2, squeeze_cfg=dict(type=squeeze)).double()
    assert gradcheck(layer, torch.randn(2, 8, 3, 2, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize(
    ('channels', 'divisor', 'hidden'), [(320, 1, 20), (1056, 1, 66), (320, 8, 24), (1056, 8, 64)]
)
def test_hidden_width_is_exact(channels, divisor, hidden):
    assert SELayer(channels, divisor=divisor).fc1.out_channels == hidden


def test_without_bias():
    layer = SELayer(32, bias=False)
    assert layer.fc1.bias is None
    assert layer.fc2.bias is None
    assert layer.scale(torch.zeros(1, 32, 2, 2)).unique().item() == 0.5


@pytest.mark.parametrize('ratio', [0, 17, -1])
def test_impossible_ratio(ratio):
    with pytest.raises(ValueError, match=f'ratio={ratio} leaves no hidden channel of 16; allowed'):
        MODELS.build(dict(type='SELayer', channels=16, ratio=ratio))
