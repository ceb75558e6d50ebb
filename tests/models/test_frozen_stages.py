"""What the classifier changes in a backbone whose stages are frozen is frozen as well."""

import pytest

from senet_mm.models.layers import recalibration_layers
from senet_mm.registry import MODELS

SE = dict(layer=dict(type='SELayer', ratio=4))
NETWORKS = {
    'ResNet': dict(type='ResNet', depth=18, frozen_stages=2),
    'PreActResNet': dict(type='PreActResNet', depth=164, frozen_stages=1),
    'ShakeShake': dict(type='ShakeShake', depth=26, width=32, frozen_stages=1),
    'MobileNetV1': dict(type='MobileNetV1', frozen_stages=3),
    'BNInception': dict(type='BNInception', frozen_stages=2),
    'InceptionResNetV2': dict(type='InceptionResNetV2', frozen_stages=1),
    'SmallCNN': dict(type='SmallCNN', frozen_stages=2),
    'mmpretrain.ResNet': dict(type='mmpretrain.ResNet', depth=18, frozen_stages=2),
    'mmpretrain.MobileNetV2': dict(type='mmpretrain.MobileNetV2', frozen_stages=3),
    'mmpretrain.DenseNet': dict(type='mmpretrain.DenseNet', arch='121', frozen_stages=2),
    'mmpretrain.ShuffleNetV2': dict(type='mmpretrain.ShuffleNetV2', frozen_stages=2),
}


def trained(network):
    return {name for name, parameter in network.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize('by', ['model.se', 'with_se'])
@pytest.mark.parametrize('name', NETWORKS)
def test_layers_of_frozen_stages_are_frozen_as_built(name, by):
    """Not from the start of training on: then the optimizer and a distributed model are there."""
    if by == 'model.se':
        cfg = dict(type='ImageClassifier', backbone=NETWORKS[name], se=SE)
        network = MODELS.build(cfg).backbone
    else:
        network = MODELS.build(dict(type='with_se', backbone=NETWORKS[name], se=SE))
    before = trained(network)
    network.train()
    assert trained(network) == before
    layers = list(recalibration_layers(network).values())
    frozen = [layer for layer in layers if not trained(layer)]
    assert 0 < len(frozen) < len(layers)
    assert not any(layer.training for layer in frozen)


@pytest.mark.parametrize('name', ['mmpretrain.ResNet', 'mmpretrain.MobileNetV2'])
def test_a_stem_for_other_images_stays_frozen(name):
    cfg = dict(type='ImageClassifier', backbone=NETWORKS[name], in_channels=1)
    network = MODELS.build(cfg).backbone
    before = trained(network)
    network.train()
    assert trained(network) == before
