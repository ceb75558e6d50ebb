"""The excitation tools see the gate of every kind of layer."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from torch import nn

from senet_mm.analysis import ExcitationHook, GateRecorder, examine, find_gates, write_csv
from senet_mm.analysis.excitation_figures import draw_gates, draw_spread
from senet_mm.models import ResNet, insert_se
from senet_mm.registry import MODELS
from senet_mm.utils.figures import save_figure

from ..models.test_gates import LAYERS

NAMES = ['zero', 'one']


class Own(nn.Module):
    """A layer of a user's own, not derived from ours."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)
        nn.init.normal_(self.conv.weight)


@MODELS.register_module()
class OwnWithScale(Own):
    def scale(self, x):
        return self.conv(x).tanh()

    def forward(self, x):
        return x * self.scale(x)


@MODELS.register_module()
class OwnWithGate(Own):
    def __init__(self, channels):
        super().__init__(channels)
        self.gate = nn.Sigmoid()

    def forward(self, x):
        return x * self.gate(self.conv(x.mean((2, 3), keepdim=True)))


@MODELS.register_module()
class OwnWithout(Own):
    def forward(self, x):
        return x * self.conv(x).sigmoid()


KINDS = {
    'se': dict(type='SELayer', ratio=4),
    'no squeeze': dict(type='SELayer', ratio=4, squeeze_cfg=dict(type='NoSqueeze')),
    **LAYERS,
    'own, scale': dict(type='OwnWithScale'),
    'own, gate': dict(type='OwnWithGate'),
}


def network(layer):
    torch.manual_seed(0)
    model = ResNet(8).double().eval()
    names = insert_se(model, layer)
    for name in names:
        for parameter in model.get_submodule(name).parameters():
            nn.init.normal_(parameter)
    return model, names


@pytest.mark.parametrize('kind', KINDS)
def test_the_gate_is_the_quotient_of_output_and_input(kind, tmp_path):
    """Averaged over positions; a gate of positions alone is one channel."""
    model, names = network(KINDS[kind])
    quotients = {}
    for name in names:
        model.get_submodule(name).register_forward_hook(
            lambda _, args, out, name=name: quotients.update({name: out / args[0]})
        )
    recorder = GateRecorder(model, NAMES)
    recorder.labels = torch.tensor([0, 1, 1])
    with torch.no_grad():
        model(torch.randn(3, 3, 16, 16, dtype=torch.float64))
    recorder.remove()
    excitation = recorder.excitation
    assert list(excitation.blocks) == ['SE_2_1', 'SE_3_1', 'SE_4_1']
    for block, quotient in zip(excitation.blocks, quotients.values(), strict=True):
        expected = quotient.mean((2, 3))[:, : 1 if kind == 'spatial' else None]
        for label, images in ((0, slice(0, 1)), (1, slice(1, 3)), (None, slice(0, 3))):
            moments = excitation.moments(block, label)
            np.testing.assert_allclose(moments.mean, expected[images].mean(0), rtol=1e-6)
        below = (quotient < 0.01).double().mean((2, 3)).sum(0)[: expected.shape[1]]
        np.testing.assert_allclose(excitation.blocks[block].low, below, atol=1e-9)
    assert not any(module._forward_pre_hooks for module in model.modules())
    # What the tool makes of them.
    write_csv(excitation, tmp_path / 'excitation.csv')
    with open(tmp_path / 'excitation.csv', newline='') as file:
        rows = {row['block']: row for row in csv.DictReader(file)}
    assert int(rows['SE_4_1']['channel']) == (0 if kind == 'spatial' else 63)
    assert len(examine(excitation)) == 3
    for draw in (draw_gates, draw_spread):
        figure = draw(excitation, [0, 1], list(excitation.blocks), order='index')
        save_figure(figure, tmp_path / 'figure.png')
        lines = figure.axes[0].lines
        assert lines
        assert all((line.get_marker() == 'o') == (kind == 'spatial') for line in lines)


def test_parts_of_a_layer_are_not_layers():
    """scSE has two layers inside; its gate is that of the whole."""
    model, _ = network(dict(type='SCSELayer'))
    assert len(find_gates(model)) == 3


def test_a_layer_without_a_gate_is_named():
    model, _ = network(dict(type='OwnWithout'))
    message = r'layer layer1.0.se: OwnWithout has no method scale\(x\) that returns the gate'
    with pytest.raises(ValueError, match=message):
        find_gates(model)
    with pytest.raises(ValueError, match=message):  # before the first epoch, not after it
        ExcitationHook().before_run(SimpleNamespace(model=model))


def test_gates_of_other_peoples_networks():
    """Their own layers are found by a submodule `gate`, beside the layers of insert_se."""
    model = timm.create_model('efficientnet_b0').eval()
    assert len(find_gates(model)) == 16
    names = insert_se(model, dict(type='ECALayer'), position='post', stages=[5])
    assert set(names) < set(find_gates(model))
    recorder = GateRecorder(model, NAMES)
    recorder.labels = torch.tensor([0])
    with torch.no_grad():
        model(torch.randn(1, 3, 64, 64))
    recorder.remove()
    assert len(recorder.excitation.blocks) == 16 + len(names)


def test_a_gate_without_clear_channels_is_refused():
    """timm's ECA makes its gate as (N, 1, C)."""
    model = timm.create_model('ecaresnet26t').eval()
    recorder = GateRecorder(model, NAMES)
    recorder.labels = torch.tensor([0])
    with pytest.raises(ValueError, match=r'the gate of .* is \(1, 1, 256\); allowed: \(N, C\)'):
        model(torch.randn(1, 3, 64, 64))
