"""A wrong argument of any backbone is one line: what was given, what is allowed."""

import inspect

import pytest
import torch

from senet_mm.models import ResNet, SEResNet
from senet_mm.registry import MODELS
from senet_mm.utils.building import arguments
from senet_mm.utils.errors import InputError

# Network -> the arguments without which it is not built.
NETWORKS = {
    'BNInception': {},
    'InceptionResNetV2': {},
    'InceptionV4': {},
    'MobileNetV1': {},
    'PreActResNet': dict(depth=110),
    'ResNeXt': dict(depth=29),
    'ResNet': dict(depth=8),
    'SEBNInception': {},
    'SENet': {},
    'SEResNeXt': dict(depth=29),
    'SEResNet': dict(depth=8),
    'ShakeShake': {},
    'SmallCNN': {},
    'SmallDenseNet': {},
    'VGG': dict(depth=11),
    'WideResNet': {},
}
# Argument -> what it must not be.
WRONG = dict(
    act_cfg=[None, 'ReLU', {}],
    avg_down=['no'],
    base_channels=[0, '64'],
    block=[
        None,
        3,
        dict(groups=0),
        dict(width_per_group='4'),
        dict(with_cp='no'),
        dict(spec=1),
        dict(expansion=0),
        dict(project_first='no'),
        dict(constant_width=None),
    ],
    deep_stem=['no'],
    bottleneck=['no'],
    compression=[0, 1.5, None],
    depth=[None, [50]],
    dilations=[2, (None, None, None)],
    drop_path_rate=[-1, 1.0, float('nan'), None, '0.1'],
    dropout=[-1, 1.0, None],
    forward_mode=[None],
    frozen_stages=[None, 1.0, True, -2, 100],
    groups=[0, '8'],
    growth_rate=[0, '12'],
    image_padding=[-1, None],
    in_channels=[0, None, '3', 1.5],
    norm_cfg=['BN', {}, dict(type='BNN'), dict(type='GN'), dict(type='BN', moment=0.1)],
    norm_eval=['no'],
    num_blocks=[0, None],
    num_stages=[0, 9],
    out_indices=[3, '3', (), (None,), (1.0,), (100,)],
    se=[None, 3, dict(type='SELayer')],
    se_ratio=[0, None, '16'],
    stem=[None, 'deep', dict(channels=64), dict(channels=()), dict(stride=0), dict(pool=['pad1'])],
    stem_channels=[0, '64'],
    strides=[2, (0, 1, 1), (1, 2)],
    style=[None],
    variant=[None, 'paper'],
    widen_factor=[0, None, '2'],
    width=[0, None],
    widths=[3, (), (1.5,)],
    with_cp=['no'],
)
# mmpretrain's VGG checks the rest itself, and has None in these.
OF_VGG = {'depth', 'frozen_stages', 'norm_cfg', 'num_stages', 'out_indices'}
WITHOUT_NONE = [name for name in NETWORKS if name != 'VGG']


def takes(network):
    """The arguments of a network; those that it sets itself are not among them."""
    if network == 'VGG':
        return OF_VGG
    kind = MODELS.get(network)
    own = {'stem'} if issubclass(kind, ResNet) else set()
    own |= {'num_stages'} if issubclass(kind, SEResNet) else set()
    return arguments(kind) - {'stem', 'num_stages'} | own


CASES = [
    (network, argument, value)
    for network in NETWORKS
    for argument in sorted(takes(network) & set(WRONG))
    for value in WRONG[argument]
]


def build(network, **given):
    with torch.device('meta'):
        return MODELS.build(dict(type=network, **{**NETWORKS[network], **given}))


@pytest.mark.parametrize(('network', 'argument', 'value'), CASES)
def test_one_line(network, argument, value):
    with pytest.raises(InputError) as raised:
        build(network, **{argument: value})
    message, given = str(raised.value), value
    if isinstance(value, dict) and len(value) == 1:
        [(argument, given)] = value.items()
    assert '; allowed: ' in message
    assert len(message.splitlines()) == 1
    assert argument in message
    assert repr(given) in message or given in ((), (100,))


@pytest.mark.parametrize('network', WITHOUT_NONE)
def test_norm_cfg_none(network):
    with pytest.raises(InputError, match='norm_cfg=None; allowed: a dict with a type'):
        build(network, norm_cfg=None)


def test_every_backbone_is_here():
    from senet_mm.models import backbones, se_networks

    named = [
        name
        for module in (backbones, se_networks)
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and MODELS.module_dict.get(name) is kind
    ]
    assert set(named) == set(NETWORKS)


def test_what_a_constructor_sets_is_not_to_be_given():
    with pytest.raises(TypeError, match=r"^MobileNetV1 sets 'stem' itself$"):
        build('MobileNetV1', stem=dict(channels=64))


@pytest.mark.parametrize(
    'given',
    [
        dict(out_indices=range(3), frozen_stages=0, drop_path_rate=0),
        dict(out_indices=[0, -1], norm_cfg=dict(type='GN', num_groups=4)),
        dict(in_channels=1, strides=[1, 1, 2], stem=dict(channels=[8, 16])),
    ],
)
def test_right_ones(given):
    build('ResNet', **given)
