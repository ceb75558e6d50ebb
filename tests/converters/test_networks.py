"""The table of timm's networks that are ours."""

import itertools

import pytest
import timm
import torch

from senet_mm.apis import get_config, get_model
from senet_mm.converters.formats import TIMM_LEGACY
from senet_mm.converters.networks import (
    TIMM_NETWORKS,
    describe_nearest,
    find_architecture,
    get_network_config,
)
from senet_mm.converters.recognition import fitting
from senet_mm.converters.state_dicts import from_state_dict, their_name
from senet_mm.converters.target import Target
from senet_mm.engine.weights.same_network import compare_networks

from .parity import difference, image, randomise

# test_tensor_parity.py has those with SE; the plain one has the names of ResNet-101.
LARGE = ('legacy_senet154', 'legacy_seresnet152', 'resnet152', 'senet154', 'seresnet152')


@pytest.mark.parametrize('architecture', [name for name in TIMM_NETWORKS if name not in LARGE])
def test_names_and_shapes_are_those_of_timm(architecture):
    target = Target(TIMM_NETWORKS[architecture].config, get_network_config(architecture, 7))
    form = fitting('timm', target)
    target.check_pairing(form)
    with torch.device('meta'):
        theirs = timm.create_model(architecture, num_classes=7).state_dict()
    ours = {their_name(name, form): value.shape for name, value in target.tensors.items()}
    assert ours == {name: value.shape for name, value in theirs.items()}


def test_every_network_is_one_alone():
    """The keys in which two of them differ make other results, or other shapes."""
    models = {name: get_network_config(name).model for name in TIMM_NETWORKS}
    for name, other in itertools.combinations(models, 2):
        assert compare_networks(models[name], models[other]), (name, other)


@pytest.mark.parametrize(
    ('config', 'architecture'),
    [
        ('seresnet50_8xb32-140e_in1k', 'seresnet50'),
        ('senet154_64xb32-100e_in1k', 'legacy_senet154'),
        ('seresnet18_8xb32_in1k', None),  # narrower layers of SE
        ('seresnet50-r8_8xb32-300e_in1k', None),
        ('seresnet50-tanh_8xb32-300e_in1k', None),
        ('seresnet50-pre_8xb32-300e_in1k', None),
        ('sevgg16_8xb128-100e_in1k', None),
        ('se-bn-inception-caffe_8xb32_in1k', None),
    ],
)
def test_networks_of_our_configs(config, architecture):
    assert find_architecture(get_config(config)) == architecture


def test_classes_channels_and_training_are_free():
    cfg = get_network_config('seresnet18', num_classes=3, in_channels=1)
    cfg.model.backbone.frozen_stages = 2
    cfg.model.head.loss = dict(type='LabelSmoothLoss', label_smooth_val=0.1)
    assert find_architecture(cfg) == 'seresnet18'
    assert tuple(cfg.input_shape) == (1, 224, 224)


@pytest.mark.parametrize(
    ('backbone', 'architecture'),
    [
        (dict(type='SEResNet', depth=50), 'seresnet50'),
        (dict(type='SEResNet', depth=18), 'seresnet18'),
        (dict(type='SEResNeXt', depth=101, in_channels=1), 'seresnext101_32x4d'),
        (dict(type='SENet', depth=154), 'senet154'),
        (dict(type='SEResNet', depth=50, se_ratio=8), None),
        (dict(type='SEResNet', depth=50, avg_down=True), None),
    ],
)
def test_networks_by_the_names_of_mmpretrain(backbone, architecture):
    cfg = get_network_config('seresnet50', num_classes=3)
    del cfg.model['se']
    channels = 512 if backbone['depth'] == 18 else 2048
    cfg.model = dict(cfg.model, backbone=backbone)
    cfg.model.head.in_channels = channels
    assert find_architecture(cfg) == architecture


def test_the_nearest_network_of_timm():
    name, divisor = 'seresnet18_1xb32_folder', 'model.se.layer.divisor'
    line = f"timm's seresnet18 has {divisor}=8, this one 1"
    assert describe_nearest(get_config(name)) == line
    assert find_architecture(get_config(name, {divisor: 8})) == 'seresnet18'
    for others in ({'model.se.layer.ratio': 8}, {'model.se.layer': {'type': 'ECALayer'}}):
        assert not describe_nearest(get_config(name, others))


@pytest.mark.parametrize('architecture', ['resnet18', 'seresnet18', 'seresnet34'])
def test_parity_of_small_networks(architecture):
    """The larger ones are in ``test_tensor_parity.py``."""
    target = Target(TIMM_NETWORKS[architecture].config, get_network_config(architecture))
    theirs = randomise(timm.create_model(architecture), image(64))
    model = get_model(target.cfg)
    state, _ = from_state_dict(theirs.state_dict(), fitting('timm', target), target)
    model.load_state_dict(state)
    assert difference(model, theirs, image(64)) == 0


def test_blocks_that_are_not_ours():
    """timm's legacy SE-ResNet-18 has our names and shapes, and one more ReLU a block."""
    cfg = get_config('seresnet18_8xb32_in1k', {'model.backbone.stem.pool': 'ceil'})
    with pytest.raises(ValueError, match="timm's legacy networks have others, with the same names"):
        Target('net', cfg).check_pairing(TIMM_LEGACY)
