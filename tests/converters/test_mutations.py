"""The parity tests see every mistake that raises no error: each one is made here on purpose."""

import copy
import functools

import pytest
import torch
from torch import nn

from senet_mm.models import SELayer
from senet_mm.ops import conv_norm_pairs

from .caffe_interpreter import random_blobs, run
from .parity import NETS, from_caffe, image, resize

# Of logits of order 1, in float32; each mistake costs more than 100 times as much.
TOLERANCE = 1e-3
SIDE = 96
FACTOR = 999.98


def modules(model, kind):
    return [module for module in model.modules() if isinstance(module, kind)]


def rgb(model, image):
    return image.flip(1)


def other_mean(model, image):
    mistake = torch.tensor([104 - 103.939, 117 - 116.779, 123 - 123.68])
    return image + mistake.reshape(1, 3, 1, 1)


def factor_ignored(model, image):
    for norm in modules(model, nn.BatchNorm2d):
        norm.running_mean *= FACTOR
        norm.running_var *= FACTOR


def other_eps(model, image):
    for norm in modules(model, nn.BatchNorm2d):
        norm.eps = 1e-3


def no_se_bias(model, image):
    for layer in modules(model, SELayer):
        layer.fc1.bias.zero_()
        layer.fc2.bias.zero_()


def pad1_pool(model, image):
    for pool in modules(model, nn.MaxPool2d):
        if pool.stride == 2:
            pool.padding, pool.ceil_mode = 1, False


def stride_elsewhere(model, image):
    """In the other of the first two convolutions of a bottleneck."""
    for block in model.backbone.blocks:
        block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride


def gate_on_shortcut(model, image):
    def forward(block, x):
        shortcut = x if block.downsample is None else block.downsample(x)
        for conv, norm in conv_norm_pairs(block):
            z = norm(conv(x))
            x = torch.relu(z)
        return torch.relu((z + shortcut) * block.se.scale(z))

    for block in model.backbone.blocks:
        block.forward = functools.partial(forward, block)


def average_without_padding(model, image):
    for pool in modules(model, nn.AvgPool2d):
        pool.count_include_pad = False


def average_in_5b(model, image):
    model.backbone.inception_5b.pool = nn.AvgPool2d(3, 1, padding=1)


def classes_reordered(model, image):
    model.head.fc.weight.copy_(model.head.fc.weight.roll(1, 0))


EVERYWHERE = [
    rgb, other_mean, factor_ignored, other_eps, no_se_bias, pad1_pool, classes_reordered
]  # fmt: skip
RESIDUAL = [*EVERYWHERE, gate_on_shortcut, stride_elsewhere]
MISTAKES = {
    'SE-BN-Inception': [*EVERYWHERE, average_without_padding, average_in_5b],
    'SE-ResNet-50': RESIDUAL,
    'SENet-154': RESIDUAL,
}


@pytest.fixture(scope='module')
def networks(tmp_path_factory):
    """A function of a name: Caffe's logits in float64, and our classifier."""

    @functools.cache
    def make(name):
        layers = resize(NETS[name].layers, SIDE)
        blobs = random_blobs(layers, image(SIDE), FACTOR)
        [expected] = run(layers, blobs, image(SIDE).double())
        return expected, from_caffe(name, layers, blobs, tmp_path_factory.mktemp('caffe'))

    return make


@pytest.mark.slow
@pytest.mark.parametrize('name', MISTAKES)
@torch.no_grad()
def test_no_mistake(networks, name):
    expected, model = networks(name)
    assert (model(image(SIDE)) - expected).abs().max() < TOLERANCE


CASES = [(name, mistake) for name, mistakes in MISTAKES.items() for mistake in mistakes]


@pytest.mark.parametrize(('name', 'mistake'), CASES)
@torch.no_grad()
def test_a_mistake_shows(networks, name, mistake):
    expected, model = networks(name)
    model = copy.deepcopy(model)
    given = mistake(model, image(SIDE))
    logits = model(image(SIDE) if given is None else given)
    assert (logits - expected).abs().max() > 100 * TOLERANCE
