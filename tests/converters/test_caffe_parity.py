"""The seven released networks against an interpreter of their Caffe layers."""

import pytest
import torch

from senet_mm.converters.caffe_names import CAFFE_BACKBONES, caffe_names
from senet_mm.utils.complexity import count_macs, count_params

from .caffe_interpreter import Layer, load_nets, random_blobs, run
from .parity import build, load, state_dict

NETS = load_nets()
# Small, and one as released. On the 2x2 maps of a 64x64 image the 3x3 poolings of SE-BN-Inception
# would see the same everywhere.
SIDES = [(name, 96 if name == 'SE-BN-Inception' else 64) for name in NETS] + [('SE-ResNet-50', 224)]


def resize(layers: list[Layer], side: int) -> list[Layer]:
    """The layers for another image: the last pooling, 7x7 for 224, takes the whole map."""
    return [
        layer._replace(kernel=side // 32) if layer.name == 'pool5/7x7_s1' else layer
        for layer in layers
    ]


def test_every_released_network_is_known():
    assert list(CAFFE_BACKBONES) == list(NETS)


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="net='SE-ResNet-18' is not known; allowed: SE-BN-"):
        caffe_names('SE-ResNet-18')


@pytest.mark.parametrize('name', NETS)
def test_names_follow_the_layers(name):
    assert list(caffe_names(name)) == [
        layer.name for layer in NETS[name].layers if layer.blob_shapes
    ]


@pytest.mark.parametrize('name', NETS)
def test_counts(name):
    net = NETS[name]
    model = build(name, net.layers)
    assert count_params(model) == net.params
    assert count_macs(model, tuple(net.input))[''] == net.macs


@pytest.mark.parametrize(('name', 'side'), SIDES)
def test_logits(name, side):
    layers = resize(NETS[name].layers, side)
    image = 60 * torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    blobs = random_blobs(layers, image)
    [expected] = run(layers, blobs, image.double())
    model = build(name, layers)
    load(model, state_dict(name, layers, blobs))
    with torch.no_grad():
        logits = model(image.double())
    assert 0.5 < expected.std() < 2
    assert (logits - expected).abs().max() < 1e-9
