"""The seven released networks against an interpreter of their Caffe layers."""

import pytest
import torch

from senet_mm.converters import caffe_names
from senet_mm.utils.complexity import count_macs, count_params

from .caffe_interpreter import random_blobs, run
from .parity import CONFIGS, NETS, build, from_caffe, image, resize

pytestmark = pytest.mark.slow

# Small, and one as released. On the 2x2 maps of a 64x64 image the 3x3 poolings of SE-BN-Inception
# would see the same everywhere.
SIDES = [(name, 96 if name == 'SE-BN-Inception' else 64) for name in NETS] + [('SE-ResNet-50', 224)]


def test_every_released_network_has_a_config():
    assert list(CONFIGS) == list(NETS)


@pytest.mark.parametrize('name', NETS)
def test_names_follow_the_layers(name):
    assert list(caffe_names(build(CONFIGS[name]).backbone)) == [
        layer.name for layer in NETS[name].layers if layer.blob_shapes
    ]


@pytest.mark.parametrize('name', NETS)
def test_counts(name):
    net = NETS[name]
    model = build(CONFIGS[name])
    assert count_params(model) == net.params
    assert count_macs(model, tuple(net.input))[''] == net.macs


@pytest.mark.parametrize(('name', 'side'), SIDES)
def test_logits(name, side, tmp_path):
    layers = resize(NETS[name].layers, side)
    # Division by a power of 2 is exact, which shows the mapping without the noise of float32.
    blobs = random_blobs(layers, image(side), factor=1024)
    [expected] = run(layers, blobs, image(side).double())
    model = from_caffe(name, layers, blobs, tmp_path).double()
    with torch.no_grad():
        logits = model(image(side).double())
    assert 0.5 < expected.std() < 2
    assert (logits - expected).abs().max() < 1e-9
