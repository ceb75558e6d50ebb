"""A layer keeps its own initialisation, whoever initialises the network around it."""

import copy
import pickle

import pytest
import timm
import torch
from mmengine.model import BaseModule
from mmpretrain.models import backbones as mmpretrain
from torch import nn

from senet_mm.models import ImageClassifier, SEResNet, with_se
from senet_mm.models.layers import RecalibrationLayer
from senet_mm.registry import MODELS


class Values:
    """Its constructor sets its own values."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.constant_(self.conv.weight, 0.25)
        nn.init.constant_(self.conv.bias, 3.0)
        nn.init.constant_(self.norm.weight, 0.5)

    def forward(self, x):
        return x * self.norm(self.conv(x)).sigmoid()


@MODELS.register_module()
class PlainValues(Values, nn.Module):
    pass


@MODELS.register_module()
class BaseValues(Values, BaseModule):
    pass


@MODELS.register_module()
class DerivedValues(Values, RecalibrationLayer):
    pass


@MODELS.register_module()
class MethodValues(nn.Module):
    """Sets its values in ``init_weights``."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)

    def init_weights(self):
        nn.init.constant_(self.conv.weight, 0.25)
        nn.init.constant_(self.conv.bias, 3.0)
        nn.init.constant_(self.norm.weight, 0.5)

    forward = Values.forward


KINDS = ['PlainValues', 'BaseValues', 'DerivedValues', 'MethodValues']
PRE = dict(type='mmpretrain.ResNet', depth=18)


class Detector(BaseModule):
    """Somebody else's model with a rule for all convolutions."""

    def __init__(self, backbone):
        super().__init__(dict(type='Constant', layer='Conv2d', val=7, bias=7))
        self.backbone = backbone


def classifier(backbone, layer):
    return ImageClassifier(backbone, se=dict(layer=layer))


# How the layer comes in -> the model to initialise.
WAYS = {
    'model.se': lambda layer: classifier(dict(type='ResNet', depth=8), layer),
    'model.se, post': lambda layer: ImageClassifier(
        dict(type='ResNet', depth=8), se=dict(layer=layer, position='post')
    ),
    "model.se, mmpretrain's": lambda layer: classifier(PRE, layer),
    'backbone.se': lambda layer: ImageClassifier(
        dict(type='SEResNet', depth=8, se=dict(layer=layer))
    ),
    'backbone.se alone': lambda layer: SEResNet(8, se=dict(layer=layer)),
    'with_se in a classifier': lambda layer: ImageClassifier(
        dict(type='with_se', backbone=PRE, se=dict(layer=layer))
    ),
    'with_se in a detector': lambda layer: Detector(
        with_se(mmpretrain.ResNet(18), dict(layer=layer))
    ),
    'with_se in a container': lambda layer: Detector(
        with_se(mmpretrain.ResNet(18), dict(layer=layer, port=dict(block=r'layer\d')))
    ),
    'with_se, timm': lambda layer: with_se(timm.create_model('resnet10t'), dict(layer=layer)),
    'with_se, copied': lambda layer: copy.deepcopy(WAYS['with_se in a detector'](layer)),
    'with_se, pickled': lambda layer: pickle.loads(
        pickle.dumps(WAYS['with_se in a detector'](layer))
    ),
}


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('way', WAYS)
def test_a_layer_keeps_its_values(way, kind):
    model = WAYS[way](dict(type=kind))
    conv = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    nn.init.constant_(conv.weight, 5)
    model.init_weights()
    layers = [module for module in model.modules() if type(module).__name__ == kind]
    assert len(layers) >= 3
    for layer in layers:
        assert (layer.conv.weight == 0.25).all()
        assert (layer.conv.bias == 3).all()
        assert (layer.norm.weight == 0.5).all()
    assert not (conv.weight == 5).any()  # the network itself was initialised


@pytest.mark.parametrize('way', WAYS)
def test_random_layers_keep_their_spread(way):
    """SELayer's rule is He's with fan-in; mmpretrain's for its networks is fan-out."""
    torch.manual_seed(0)
    model = WAYS[way](dict(type='SELayer', ratio=4))
    model.init_weights()
    layers = [module for module in model.modules() if type(module).__name__ == 'SELayer']
    for layer in layers:
        assert not layer.fc1.bias.any()
        if layer.fc1.weight.numel() > 4000:
            expected = (2 / layer.fc1.in_channels) ** 0.5
            assert layer.fc1.weight.std().item() == pytest.approx(expected, rel=0.06)
    assert len({layer.fc1.weight.sum().item() for layer in layers}) == len(layers)


def test_a_loaded_checkpoint_is_not_overwritten(tmp_path):
    layer = dict(type='PlainValues')
    source = SEResNet(8, se=dict(layer=layer))
    for parameter in source.parameters():
        nn.init.normal_(parameter)
    path = tmp_path / 'backbone.pth'
    torch.save(dict(state_dict=source.state_dict()), path)
    init_cfg = dict(type='Pretrained', checkpoint=str(path))
    loaded = ImageClassifier(dict(type='ResNet', depth=8, init_cfg=init_cfg), se=dict(layer=layer))
    loaded.init_weights()
    for ours, theirs in zip(loaded.backbone.parameters(), source.parameters(), strict=True):
        assert torch.equal(ours, theirs)
