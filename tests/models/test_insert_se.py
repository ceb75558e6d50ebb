"""SE in any backbone: one set of properties over backbones and positions."""

import copy
import itertools
import pickle
import re

import pytest
import timm
import torch
import torchvision
from mmcv.cnn import fuse_conv_bn
from mmengine.model import ExponentialMovingAverage
from mmpretrain.models import backbones as mmpretrain
from mmpretrain.models import classifiers
from torch import nn

from senet_mm.models import (
    BNInception,
    ImageClassifier,
    InceptionResNetV2,
    InceptionV4,
    MobileNetV1,
    PreActResNet,
    ResNet,
    ResNeXt,
    ShakeShake,
    SmallCNN,
    SmallDenseNet,
    WideResNet,
    insert_se,
    with_se,
)
from senet_mm.models.backbones.preact_resnet import PreActArch
from senet_mm.models.recalibration import describe_layers
from senet_mm.registry import MODELS

RESNET = ('standard', 'pre', 'post', 'identity')
ALL = (*RESNET, 'conv3x3')
BRANCH = ('standard', 'pre', 'post')
BN = dict(type='BN')

# Network -> how it is built, its positions, image side, and ratio (some maps have few channels).
NETWORKS = {
    'senet_mm.ResNet-18': (lambda: ResNet(18), RESNET),
    'senet_mm.ResNet-50': (lambda: ResNet(50), ALL),
    'senet_mm.ResNet-20': (lambda: ResNet(20), RESNET),
    'senet_mm.ResNeXt-50': (lambda: ResNeXt(50), ALL),
    'senet_mm.ResNeXt-154': (lambda: ResNeXt(154), ('standard',)),
    'senet_mm.BNInception': (lambda: BNInception(), ('standard',)),
    'senet_mm.MobileNetV1': (lambda: MobileNetV1(), ('standard',)),
    'senet_mm.InceptionV4': (lambda: InceptionV4(), ('standard',)),
    'senet_mm.InceptionResNetV2': (lambda: InceptionResNetV2(), BRANCH),
    'senet_mm.PreActResNet-164': (lambda: PreActResNet(164), BRANCH),
    'senet_mm.WideResNet-16-4': (lambda: WideResNet(16, 4), BRANCH),
    'senet_mm.ShakeShake-26': (lambda: ShakeShake(26, 32), BRANCH),
    'senet_mm.SmallCNN': (lambda: SmallCNN(), ('standard',)),
    'senet_mm.SmallDenseNet-10': (lambda: SmallDenseNet(10), ('standard', 'stage')),
    'mmpretrain.ResNet-18': (lambda: mmpretrain.ResNet(18), RESNET),
    'mmpretrain.ResNet-50': (lambda: mmpretrain.ResNet(50, style='caffe'), ALL),
    'mmpretrain.ResNetV1d-50': (lambda: mmpretrain.ResNetV1d(depth=50), ALL),
    'mmpretrain.ResNet_CIFAR-18': (lambda: mmpretrain.ResNet_CIFAR(18), RESNET),
    'mmpretrain.ResNeXt-50': (lambda: mmpretrain.ResNeXt(50), ALL),
    'mmpretrain.RegNet': (lambda: mmpretrain.RegNet('regnetx_400mf'), ALL),
    'mmpretrain.MobileNetV2': (lambda: mmpretrain.MobileNetV2(), BRANCH),
    'mmpretrain.ShuffleNetV1': (lambda: mmpretrain.ShuffleNetV1(groups=3), BRANCH),
    'mmpretrain.ShuffleNetV2': (lambda: mmpretrain.ShuffleNetV2(), BRANCH),
    'mmpretrain.VGG-11': (lambda: mmpretrain.VGG(11, norm_cfg=BN), ('standard',)),
    'mmpretrain.InceptionV3': (lambda: mmpretrain.InceptionV3(), ('standard',)),
    'mmpretrain.DenseNet-121': (lambda: mmpretrain.DenseNet('121'), ('standard', 'stage')),
    'timm.resnet18': (lambda: timm.create_model('resnet18'), RESNET),
    'timm.resnet26': (lambda: timm.create_model('resnet26'), ALL),
    'timm.resnet26d': (lambda: timm.create_model('resnet26d'), ALL),
    'timm.resnext50_32x4d': (lambda: timm.create_model('resnext50_32x4d'), ('standard',)),
    'timm.densenet121': (lambda: timm.create_model('densenet121'), ('standard', 'stage')),
    'torchvision.resnet18': (lambda: torchvision.models.resnet18(), ('pre', 'post')),
    'torchvision.resnet50': (lambda: torchvision.models.resnet50(), ('pre', 'post', 'conv3x3')),
    'torchvision.densenet121': (lambda: torchvision.models.densenet121(), ('standard', 'stage')),
    'torchvision.googlenet': (
        lambda: torchvision.models.googlenet(aux_logits=False, init_weights=False),
        ('standard',),
    ),
    'torchvision.mobilenet_v2': (lambda: torchvision.models.mobilenet_v2(), BRANCH),
    'torchvision.regnet_x_400mf': (lambda: torchvision.models.regnet_x_400mf(), BRANCH),
    'torchvision.shufflenet_v2': (lambda: torchvision.models.shufflenet_v2_x0_5(), BRANCH),
}
MATRIX = [(name, position) for name, (_, positions) in NETWORKS.items() for position in positions]

# Each network once, for what takes long.
EACH = [(name, positions[0]) for name, (_, positions) in NETWORKS.items() if '154' not in name]


def once_each(net):
    """An Inception network with one of the equal blocks that follow each other."""
    stages = tuple([block for block, _ in itertools.groupby(blocks)] for blocks in net.stages)
    return net._replace(stages=stages)


class ShallowPreActResNet(PreActResNet):
    arch_settings = {11: PreActArch('bottleneck', (1,) * 3)}


class ShallowInceptionV4(InceptionV4):
    nets = {variant: once_each(net) for variant, net in InceptionV4.nets.items()}


class ShallowInceptionResNetV2(InceptionResNetV2):
    nets = {variant: once_each(net) for variant, net in InceptionResNetV2.nets.items()}


# Deep networks -> the same blocks, fewer times, for what takes long.
SHALLOW = {
    'senet_mm.PreActResNet-164': lambda: ShallowPreActResNet(11),
    'senet_mm.InceptionV4': ShallowInceptionV4,
    'senet_mm.InceptionResNetV2': ShallowInceptionResNetV2,
    'mmpretrain.DenseNet-121': lambda: mmpretrain.DenseNet(
        dict(growth_rate=32, depths=[2, 2, 2, 2], init_channels=64)
    ),
    'timm.densenet121': lambda: timm.create_model('densenet121', block_config=(2, 2, 2, 2)),
    'torchvision.densenet121': lambda: torchvision.models.DenseNet(block_config=(2, 2, 2, 2)),
}
SIDES = {'senet_mm.InceptionV4': 75, 'senet_mm.InceptionResNetV2': 75}
SIDES |= {'mmpretrain.InceptionV3': 96, 'mmpretrain.VGG-11': 32, 'senet_mm.BNInception': 64}
LAYER = dict(type='SELayer', ratio=4)
# mmcv's fusion drops the activation inside timm's norms, and takes the norm of two concatenated
# convolutions for that of the second, with or without SE.
UNFUSED = ('timm.densenet121', 'senet_mm.ShakeShake-26')


def build(name, position=None, shallow=False):
    torch.manual_seed(0)
    plain = NETWORKS[name][0]
    model = SHALLOW.get(name, plain)() if shallow else plain()
    model.eval()  # mmpretrain's eval returns None
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # timm starts with residual branches that are 0
            nn.init.uniform_(module.weight, 0.5, 1.5)
    layers = insert_se(model, LAYER, position=position) if position else []
    return model, layers


def image(name, batch=2):
    side = SIDES.get(name, 64)
    return torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(1))


def outputs(model, x):
    with torch.no_grad():
        out = model(x)
    return out[-1] if isinstance(out, tuple) else out


def open_gates(model, names):
    """Force all gates to 1, exactly."""
    for name in names:
        layer = model.get_submodule(name)
        nn.init.zeros_(layer.fc2.weight)
        nn.init.constant_(layer.fc2.bias, 200)


def randomise_gates(model, names):
    for name in names:
        nn.init.normal_(model.get_submodule(name).fc2.bias)


@pytest.mark.parametrize(('name', 'position'), MATRIX)
def test_layers_and_names(name, position):
    plain, _ = build(name)
    model, names = build(name, position)
    x = image(name, batch=1)

    state, new = plain.state_dict(), model.state_dict()
    assert [key for key in new if key in state] == list(state)
    assert all('.se.' in key for key in new if key not in state)

    layers = [model.get_submodule(path) for path in names]
    assert len(set(map(id, layers))) == len(names) > 0
    added = 0
    for layer in layers:
        channels, hidden = layer.fc2.out_channels, layer.fc2.in_channels
        assert hidden == channels // 4
        added += 2 * channels * hidden + hidden + channels
    count = sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in plain.parameters())
    assert count == added

    calls = []
    handles = [layer.register_forward_hook(lambda m, *_: calls.append(m)) for layer in layers]
    randomise_gates(model, names)
    changed = outputs(model, x)
    assert sorted(map(id, calls)) == sorted(map(id, layers))
    for handle in handles:
        handle.remove()

    expected = outputs(plain, x)
    assert not torch.equal(changed, expected)
    open_gates(model, names)
    assert torch.equal(outputs(model, x), expected)


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'position'), MATRIX)
def test_twice_is_refused(name, position):
    model, _ = build(name, position)
    with pytest.raises(ValueError, match=f'already, where position={position!r} would put one'):
        insert_se(model, LAYER, position=position)


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'position'), EACH)
def test_copies_and_conversions_keep_the_layers(name, position):
    model, names = build(name, position, shallow=True)
    randomise_gates(model, names)
    x = image(name)
    expected = outputs(model, x)
    # torch's conversion drops the activation inside timm's norms; theirs keeps it.
    convert = nn.SyncBatchNorm.convert_sync_batchnorm
    convert = timm.layers.convert_sync_batchnorm if name.startswith('timm') else convert
    copies = {
        'deepcopy': copy.deepcopy(model),
        'pickle': pickle.loads(pickle.dumps(model)),
        'ema': ExponentialMovingAverage(model, momentum=0.1).module,
        'syncbn': convert(copy.deepcopy(model)),
    }
    if name not in UNFUSED:
        copies['fused'] = fuse_conv_bn(copy.deepcopy(model))
    for kind, converted in copies.items():
        converted.eval()
        out = outputs(converted, x)
        tolerance = dict(rtol=1e-3, atol=1e-3 * expected.abs().max().item())
        torch.testing.assert_close(out, expected, **tolerance if kind == 'fused' else {}, msg=kind)
        # The layers that act are those of the copy: another gate changes its output alone.
        open_gates(converted, names)
        assert not torch.equal(outputs(converted, x), out), kind
    assert torch.equal(outputs(model, x), expected)


class LastMap(nn.Module):
    """A network that returns its last map alone: a trace cannot hold InceptionV3's None."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        out = self.model(x)
        return out[-1] if isinstance(out, tuple) else out


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'position'), EACH)
def test_graphs(name, position):
    """torch.compile without a break, torch.export and jit.trace see the layers."""
    model, names = build(name, position, shallow=True)
    randomise_gates(model, names)
    model, x = LastMap(model), image(name)
    expected = outputs(model, x)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend='eager')
    traced = torch.jit.trace(model, x)
    exported = torch.export.export(model, (x,)).module()
    for graph in (compiled, traced, exported):
        torch.testing.assert_close(outputs(graph, x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize('position', ALL)
@pytest.mark.parametrize('build_plain', [ResNet, mmpretrain.ResNet])
def test_checkpointing(build_plain, position):
    with_cp = dict(with_cp=True)
    kwargs = dict(block=with_cp) if build_plain is ResNet else with_cp
    plain, checkpointed = build_plain(50), build_plain(50, **kwargs)
    for model in (plain, checkpointed):
        insert_se(model, LAYER, position=position)
    checkpointed.load_state_dict(plain.state_dict())
    grads = []
    for model in (plain, checkpointed):
        model.train()
        x = image('').requires_grad_()
        model(x)[-1].square().mean().backward()
        grads.append([p.grad for p in model.parameters()] + [x.grad])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_equals_mmpretrains_seresnet():
    peer = mmpretrain.SEResNet(50).eval()
    model = mmpretrain.ResNet(50)
    insert_se(model, dict(type='SELayer', ratio=16))
    model.eval()
    names = {
        name: name.replace('.se.fc1.', '.se_layer.conv1.conv.').replace(
            '.se.fc2.', '.se_layer.conv2.conv.'
        )
        for name in model.state_dict()
    }
    state = mmpretrain.SEResNet(50).state_dict()
    model.load_state_dict({name: state[theirs] for name, theirs in names.items()})
    peer = mmpretrain.SEResNet(50)
    peer.load_state_dict(state)
    peer.eval()
    assert torch.equal(outputs(model, image('')), outputs(peer, image('')))


def test_stages_are_the_papers():
    """SE_2 to SE_5 of section 6.4, and one stage at a time (table 13)."""
    names = insert_se(ResNet(50), LAYER, stages=(3, 5))
    assert [name.split('.')[0] for name in names] == ['layer2'] * 4 + ['layer4'] * 3
    model = ResNet(50)
    insert_se(model, LAYER, stage_cfg={2: dict(ratio=8), 5: dict(ratio=32)})
    ratios = [block.out_channels // block.se.fc1.out_channels for block in model.blocks]
    assert ratios == [8] * 3 + [4] * 10 + [32] * 3


def test_layers_say_where_they_are():
    model, _ = build('mmpretrain.ResNet-50', 'pre')
    assert 'stage 2, pre position of layer1.0' in repr(model.layer1[0])
    assert describe_layers(model) == [
        f'SE_{stage}_1 to SE_{stage}_{count}: {count} x SELayer at the pre position'
        for stage, count in ((2, 3), (3, 4), (4, 6), (5, 3))
    ]


def test_a_port_of_ones_own():
    model = torchvision.models.vgg11_bn().eval()
    port = dict(block=r'features\.(2|6|13)', side='out')  # the rectifiers
    names = insert_se(model, LAYER, port=port)
    assert names == ['features.2.se', 'features.6.se', 'features.13.se']
    assert [model.get_submodule(name).fc1.in_channels for name in names] == [64, 128, 256]


def test_with_se_is_the_same_backbone():
    by_config = MODELS.build(
        dict(
            type='with_se',
            backbone=dict(type='mmpretrain.ResNet', depth=18),
            se=dict(layer=LAYER, position='post'),
        )
    )
    assert type(by_config) is mmpretrain.ResNet
    assert 'layer1.0.post.se.fc1.weight' in by_config.state_dict()
    module = torchvision.models.mobilenet_v2()
    assert with_se(module, dict(layer=LAYER)) is module


def test_without_se_the_classifier_is_upstreams():
    cfg = dict(backbone=dict(type='mmpretrain.ResNet', depth=18))
    ours, theirs = ImageClassifier(**copy.deepcopy(cfg)), classifiers.ImageClassifier(**cfg)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    for model in (ours, theirs):
        model.backbone.eval()
    x = image('')
    assert torch.equal(ours.extract_feat(x)[-1], theirs.extract_feat(x)[-1])


def test_layers_are_initialised_after_the_backbone():
    """mmpretrain's rule for convolutions (fan-out) is not that of the layer (fan-in)."""
    model = ImageClassifier(
        dict(type='mmpretrain.ResNet', depth=50), se=dict(layer=dict(type='SELayer', ratio=16))
    )
    model.init_weights()
    weight = model.backbone.layer4[0].se.fc1.weight  # 2048 -> 128
    assert weight.std().item() == pytest.approx((2 / 2048) ** 0.5, rel=0.02)


class Toy(nn.Module):
    """A network with what a port must not be."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.idle = nn.Conv2d(8, 8, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        x = torch.relu(self.pool(self.pool(x)))
        return self.fc(x.flatten(1))


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(), 'Toy has no block that the table of ports knows; allowed: a port of its own'),
        (dict(port=dict(block='norm')), 'norm is a batch norm, which SyncBN'),
        (dict(port=dict(block='idle')), 'block idle: output of the block is used 0 times'),
        (dict(port=dict(block='pool')), 'block pool: output of the block is used 2 times'),
        (dict(port=dict(block='fc')), 'block fc: .* with something else than a map'),
        (dict(port=dict(block='conv', path='x')), "block conv has no 'x'"),
        (dict(port=dict(block='nothing')), "block='nothing' matches no module of Toy"),
        (dict(port=dict(block='conv', side='up')), "side='up' is not known; allowed: in, out"),
        (dict(position='front'), "position='front' is not known; allowed: standard, pre, post"),
        (dict(port=dict(block='conv'), stages=(7,)), 'stage=7 is not known; allowed: 0'),
        (dict(port=dict(block='conv'), stage_cfg={7: {}}), 'stage=7 is not known; allowed: 0'),
    ],
)
def test_mistakes(kwargs, message):
    model = Toy()
    before = list(model.state_dict())
    with pytest.raises(ValueError, match=message):
        insert_se(model, LAYER, **kwargs)
    assert list(model.state_dict()) == before


@pytest.mark.parametrize(
    ('name', 'position', 'allowed'),
    [
        ('mmpretrain.ResNet-18', 'conv3x3', 'identity, post, pre, standard'),
        ('torchvision.resnet18', 'standard', 'post, pre'),
    ],
)
def test_position_that_does_not_exist(name, position, allowed):
    with pytest.raises(ValueError, match=f'does not exist in ResNet; allowed: {allowed}'):
        build(name, position)


def test_an_unused_port_names_block_and_port():
    """Res2Net overrides the block's forward and leaves the drop path out."""
    model = mmpretrain.Res2Net(depth=50)
    message = 'block layer1.0: input of drop_path is used 0 times in a forward pass; allowed: once'
    with pytest.raises(ValueError, match=message):
        insert_se(model, LAYER, port=dict(block=r'layer1\.0', path='drop_path', side='in'))


@pytest.mark.parametrize('wrap', ['alone', 'in a Sequential', 'in a classifier'])
def test_stages_by_index_wherever_the_network_is(wrap):
    """Dilated and small-image networks: `layer1` is SE_2."""
    dilated = ResNet(18, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))
    for network, last in ((dilated, 5), (ResNet(20), 4)):
        if wrap == 'in a Sequential':
            network = nn.Sequential(network)
        if wrap == 'in a classifier':
            network = nn.ModuleDict(dict(backbone=network))
            network.forward = network['backbone'].forward
        paths = insert_se(network, LAYER, stages=(2, last))
        assert {re.search(r'layer(\d)', path)[1] for path in paths} == {'1', str(last - 1)}
