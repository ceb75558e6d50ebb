"""The networks with SE by their usual names: mmpretrain's configs move over by one word."""

import math
from pathlib import Path

import mmpretrain
import pytest
import torch
from mmengine import Config
from mmengine.registry import DefaultScope
from mmpretrain.models import SEResNet as TheirSEResNet
from mmpretrain.models import SEResNeXt as TheirSEResNeXt
from mmpretrain.registry import MODELS as THEIR_MODELS

from senet_mm.converters.formats import MMPRETRAIN, their_name
from senet_mm.models import SEBNInception, SENet, SEResNet, SEResNeXt, insert_se
from senet_mm.models.backbones import BNInception, ResNet, ResNeXt
from senet_mm.registry import MODELS

from .plain import disturb

ZOO = sorted((Path(mmpretrain.__file__).parent / '.mim/configs').glob('seres*/*.py'))
NETWORKS = dict(SEResNet=(SEResNet, TheirSEResNet), SEResNeXt=(SEResNeXt, TheirSEResNeXt))
ARGUMENTS = [
    ('SEResNet', dict(num_stages=4, out_indices=(0, 1, 2, 3), style='caffe')),
    ('SEResNet', dict(num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(1,))),
    ('SEResNet', dict(deep_stem=True, avg_down=True, stem_channels=32, in_channels=1)),
    ('SEResNet', dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), with_cp=True)),
    ('SEResNet', dict(base_channels=32, se_ratio=8, norm_cfg=dict(type='BN', eps=1e-3))),
    ('SEResNet', dict(frozen_stages=2, norm_eval=True, zero_init_residual=False)),
    ('SEResNeXt', dict(groups=8, width_per_group=8, base_channels=32)),
]


def name_of(key):
    """A name of our backbone in theirs."""
    return their_name(f'backbone.{key}', MMPRETRAIN).removeprefix('backbone.')


def take_over(ours, theirs):
    """Give our network their weights."""
    state = theirs.state_dict()
    assert {name_of(key) for key in ours.state_dict()} == state.keys()
    ours.load_state_dict({key: state[name_of(key)] for key in ours.state_dict()})


def assert_starts_alike(ours, theirs):
    """Mean and standard deviation of every tensor, within five standard errors."""
    peers = theirs.state_dict()
    for key, value in ours.state_dict().items():
        peer = peers[name_of(key)]
        if value.numel() == 1:
            assert value == peer
            continue
        size, std = value.numel(), peer.std().item()
        mean = pytest.approx(peer.mean().item(), abs=5 * std * math.sqrt(2 / size))
        assert value.mean().item() == mean, key
        assert value.std().item() == pytest.approx(std, abs=5 * std / math.sqrt(size)), key


def train_step(model, x):
    """Outputs of a step in training, and gradients (None for what is frozen) by name."""
    model.train()
    outs = model(x)
    sum(out.square().mean() for out in outs).backward()
    return outs, {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize(('name', 'arguments'), ARGUMENTS)
def test_their_arguments_give_their_network(name, arguments):
    """Every output and gradient of a training step is equal to the bit."""
    ours, theirs = (kind(depth=50, **arguments) for kind in NETWORKS[name])
    for model in (ours, theirs):
        model.init_weights()
    assert_starts_alike(ours, theirs)
    take_over(ours, disturb(theirs))
    x = torch.randn(2, arguments.get('in_channels', 3), 64, 64)
    (outs, grads), (expected, their_grads) = train_step(ours, x), train_step(theirs, x)
    assert len(outs) == len(expected)
    assert all(map(torch.equal, outs, expected))
    for key, grad in grads.items():
        peer = their_grads[name_of(key)]
        assert torch.equal(grad, peer) if peer is not None else grad is None, key


@pytest.mark.parametrize('path', ZOO, ids=lambda path: path.stem)
def test_their_configs_move_over_by_one_word(path):
    cfg = Config.fromfile(path)
    with DefaultScope.overwrite_default_scope('senet_mm'):
        ours = MODELS.build(cfg.model)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        theirs = THEIR_MODELS.build(cfg.model)
    assert type(ours).__module__.startswith('senet_mm')
    take_over(ours.backbone, theirs.backbone)
    ours.head.load_state_dict(theirs.head.state_dict())
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_four_configs_of_the_zoo():
    assert len(ZOO) == 4


PLAIN = {
    SEResNet: lambda: ResNet(50, block=dict(zero_init_residual=True)),
    SEResNeXt: lambda: ResNeXt(50),
    SENet: lambda: ResNeXt(154),
    SEBNInception: BNInception,
}


@pytest.mark.parametrize('kind', PLAIN)
def test_is_the_plain_network_with_se(kind):
    layer = dict(type='SELayer', ratio=8)
    with torch.device('meta'):
        named = (
            kind(se=dict(layer=layer))
            if kind in (SENet, SEBNInception)
            else kind(50, se=dict(layer=layer))
        )
        plain = PLAIN[kind]()
        insert_se(plain, layer)
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (named, plain)]
    assert shapes[0] == shapes[1]


def test_takes_the_arguments_of_insert_se():
    se = dict(position='pre', stages=(4, 5), stage_cfg={5: dict(ratio=8)})
    model = disturb(SEResNet(50, se=se))
    plain = ResNet(50)
    paths = insert_se(plain, dict(type='SELayer', ratio=16), **se)
    assert paths[0] == 'layer3.0.pre.se'
    plain.load_state_dict(model.state_dict())
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(model.eval()(x)[0], plain.eval()(x)[0])


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(depth=51), 'depth=51'),
        (dict(depth=50, conv_cfg=dict(type='DCN')), 'conv_cfg'),
        (dict(depth=50, expansion=2), 'expansion=2'),
        (dict(depth=50, se=dict(type='SELayer')), 'allowed: a dict of layer, .* is ResNet'),
        (dict(depth=50, se=None), 'se=None; allowed: a dict of'),
        (dict(depth=50, num_stages=5), 'num_stages=5'),
        (dict(depth=50, num_stages=0), 'num_stages=0'),
    ],
)
def test_refuses(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SEResNet(**kwargs)


@pytest.mark.parametrize(
    ('kind', 'plain'),
    [(SEResNet, 'ResNet'), (SEResNeXt, 'ResNeXt'), (SENet, 'ResNeXt'), (SEBNInception, 'BNInc')],
)
def test_names_the_network_without_se(kind, plain):
    depth = {} if kind in (SENet, SEBNInception) else dict(depth=50)
    with torch.device('meta'), pytest.raises(ValueError, match=f'without SE is {plain}'):
        kind(se=None, **depth)


def test_frozen_stages_freeze_their_layers():
    model = SEResNet(50, frozen_stages=1).train()
    assert not model.layer1[0].se.fc1.weight.requires_grad
    assert not model.layer1[0].se.training
    assert model.layer2[0].se.fc1.weight.requires_grad


def test_depth_29_is_that_of_the_plain_network():
    with torch.device('meta'):
        named, plain = SEResNeXt(29), ResNeXt(29)
    assert named.layer1[0].conv2.weight.shape == plain.layer1[0].conv2.weight.shape
