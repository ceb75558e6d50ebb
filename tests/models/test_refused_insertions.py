"""A call of insert_se that is refused leaves the network as it was."""

import pytest
import timm
import torch
import torchvision
from mmpretrain.models import backbones as mmpretrain
from torch import nn

from senet_mm.models import ResNet, SEResNet, insert_se
from senet_mm.models.backbones import Block
from senet_mm.registry import MODELS

LAYER = dict(type='SELayer', ratio=1)


@MODELS.register_module()
class FourChannelsOnly(nn.Module):
    """Fails in the last stages, when the layers of the first ones are built."""

    def __init__(self, channels):
        super().__init__()
        if channels > 64:
            raise ValueError(f'channels={channels}: allowed: up to 64')
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return x * self.fc(x)


class Chain(nn.Module):
    """Not a container by its class, but goes through its children, as timm's RegStage does."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x):
        for child in self.children():
            x = child(x)
        return x


class Toy(nn.Module):
    """A network with what a port must not be, ports of all kinds, and a slot of its own."""

    def __init__(self):
        super().__init__()
        self.chain = Chain()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.norms = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU())
        self.idle = nn.Conv2d(8, 8, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        x = self.norms(torch.relu(self.norm(self.conv(self.chain(x)))))
        x = torch.relu(self.pool(self.pool(x)))
        return self.fc(x.flatten(1))


class SlotlessBlock(Block):
    """Of a user who forgot the place."""

    def forward(self, x):
        return x


def half_filled():
    """The last block has SE already."""
    model = ResNet(18)
    model.layer4[1].se = MODELS.build(dict(LAYER, channels=512))
    return model


RESNET = lambda: ResNet(18)  # noqa: E731
BLOCKS = dict(block=r'layer\d\.\d', path='conv1')

# What is refused -> network, arguments, part of the message.
REFUSED = {
    'position unknown': (RESNET, dict(position='front'), "position='front' is not known"),
    'position that a block lacks': (RESNET, dict(position='conv3x3'), 'does not exist in'),
    "torchvision's branch": (torchvision.models.resnet18, {}, 'ResNet or ResNeXt'),
    'network unknown': (Toy, {}, 'Toy has no block that the table of ports knows'),
    'port, no dict': (Toy, dict(port='conv'), "port='conv'; allowed: dict"),
    'port without block': (Toy, dict(port=dict(path='conv')), 'allowed: dict.block=REGEX'),
    'key of port': (Toy, dict(port=dict(block='conv', where='out')), "key of port='where' is not"),
    'side': (Toy, dict(port=dict(block='conv', side='up')), "side='up' is not known"),
    'regex': (Toy, dict(port=dict(block='(')), "block='.' is no regular expression"),
    'no block': (Toy, dict(port=dict(block='x')), "block='x' matches no module of Toy"),
    'no path': (Toy, dict(port=dict(block='conv', path='x')), "block conv has no 'x'"),
    'no shortcut': (
        Toy,
        dict(port=dict(block='conv', path='downsample')),
        "block conv has no 'downsample'",
    ),
    'no slot': (lambda: nn.Sequential(SlotlessBlock(3)), {}, "block 0 has no 'se'"),
    'norm': (Toy, dict(port=dict(block='norm')), '^norm is a batch norm'),
    'norm in a block': (
        Toy,
        dict(port=dict(block='norms', path='0')),
        r'^norms\.0 is a batch norm',
    ),
    'norms alone': (Toy, dict(port=dict(block='norms')), 'Sequential in which no module can keep'),
    'idle': (Toy, dict(port=dict(block='conv|idle')), 'is used 0 times'),
    'used twice': (Toy, dict(port=dict(block='conv|pool')), 'is used 2 times'),
    'no map': (Toy, dict(port=dict(block='conv|fc')), 'something else than a map'),
    'goes through children': (Toy, dict(port=dict(block='conv|chain')), 'chain.se runs 2 times'),
    'breaks on children': (
        Toy,
        dict(port=dict(block='conv|chain'), position='post'),
        'Toy does not run with the layers in it .NotImplementedError',
    ),
    'layer, none': (RESNET, dict(layer=None), 'layer=None; allowed: a dict with a type'),
    'layer, a name': (RESNET, dict(layer='SELayer'), "layer='SELayer'; allowed: a dict with"),
    'layer without type': (RESNET, dict(layer=dict(ratio=4)), "layer={'ratio': 4}; allowed: a d"),
    'stage_cfg, a number': (RESNET, dict(stage_cfg=5), 'stage_cfg=5; allowed: {STAGE: dict'),
    'stage_cfg, a value': (RESNET, dict(stage_cfg={5: 3}), 'stage_cfg={5: 3}; allowed: {STAGE'),
    'input_size': (RESNET, dict(input_size='a'), "input_size='a'; allowed: whole numbers from 1"),
    'input_size, negative': (RESNET, dict(input_size=-1), 'input_size=-1; allowed: whole'),
    'stages, a number': (RESNET, dict(stages=5), r'stages=5 is not a list.*: stages=\[5\]'),
    'stages, a text': (RESNET, dict(stages='5'), "stages='5' is not a list of stages"),
    'stages, none': (RESNET, dict(stages=()), r'stages=\(\) is not a list of stages'),
    'stage unknown': (RESNET, dict(stages=(3, 7)), 'stage=7 is not known; allowed: 2, 3, 4, 5'),
    'stage_cfg unknown': (RESNET, dict(stage_cfg={7: {}}), 'stage=7 is not known'),
    'identity, stage unknown': (RESNET, dict(position='identity', stages=(7,)), 'stage=7 is not'),
    'identity, ratio': (
        RESNET,
        dict(position='identity', stage_cfg={5: dict(ratio=9999)}),
        'ratio=9999 leaves no hidden channel',
    ),
    'ratio in a late stage': (RESNET, dict(stage_cfg={5: dict(ratio=9999)}), 'ratio=9999 leaves'),
    'layer that fails late': (RESNET, dict(layer=dict(type='FourChannelsOnly')), 'channels=128'),
    'slot taken': (half_filled, {}, "layer4.1.se already, where position='standard' would"),
    'slot taken, own port': (
        half_filled,
        dict(port=BLOCKS),
        r'layer4\.1 has a layer at layer4\.1\.se already, where port={.*} would put one; allowed',
    ),
    'all slots taken, own port': (
        lambda: SEResNet(8),
        dict(port=BLOCKS),
        r'layer1\.0 has a layer at layer1\.0\.se already, where port={.*} would put one; allowed',
    ),
    'torchvision, built in': (
        torchvision.models.regnet_y_400mf,
        {},
        r'block trunk_output.block1.block1-0 was built with a SqueezeExcitation \(f.se\): ',
    ),
    "mmpretrain's SE": (lambda: mmpretrain.SEResNet(50), {}, r'layer1.0 .* a SELayer \(se_layer\)'),
    "mmpretrain's SE, grouped": (lambda: mmpretrain.SEResNeXt(50), {}, r'a SELayer \(se_layer\)'),
    "mmpretrain's ResNeSt": (
        lambda: mmpretrain.ResNeSt(50),
        {},
        r'layer1.0 was built with a SplitAttentionConv2d \(conv2\): ',
    ),
    "mmpretrain's Res2Net": (
        lambda: mmpretrain.Res2Net(depth=50),
        {},
        "position='standard' does not exist in Res2Net; allowed: conv3x3, .*; the residual br",
    ),
    'timm, slot taken': (
        lambda: timm.create_model('mobilenetv3_small_050'),
        {},
        "blocks.0.0 has a layer at blocks.0.0.se already, where position='standard' would",
    ),
}


def snapshot(model):
    """All that a call could leave behind."""
    modules = list(model.named_modules(remove_duplicate=False))
    return dict(
        tree=[(name, id(module)) for name, module in modules],
        attributes=[sorted(vars(module)) for _, module in modules],
        children=[list(module._modules) for _, module in modules],
        modes=[module.training for _, module in modules],
        hooks=[
            (list(module._forward_hooks.values()), list(module._forward_pre_hooks.values()))
            for _, module in modules
        ],
        state=[(name, id(value), value.device) for name, value in model.named_parameters()],
        keys=list(model.state_dict()),
    )


def output(model):
    model.eval()
    with torch.no_grad():
        out = model(torch.linspace(-1, 1, 3 * 32 * 32).view(1, 3, 32, 32))
    return out[-1] if isinstance(out, tuple) else out


@pytest.mark.parametrize('kind', REFUSED)
def test_a_refused_call_leaves_the_network_as_it_was(kind):
    build, kwargs, message = REFUSED[kind]
    model = build()
    expected = output(model)
    model.train()
    before = snapshot(model)
    with pytest.raises(ValueError, match=message):
        insert_se(model, **{'layer': LAYER, **kwargs})
    assert snapshot(model) == before
    assert torch.equal(output(model), expected)


@pytest.mark.parametrize('position', ['standard', 'pre', 'post', 'identity'])
def test_an_insertion_is_seen_by_the_snapshot(position):
    """What the test above relies on; and a stage without layers is left alone."""
    model = ResNet(18)
    before = snapshot(model.layer1), snapshot(model.layer4)
    insert_se(model, LAYER, position=position, stages=[5])
    after = snapshot(model.layer1), snapshot(model.layer4)
    assert after[0] == before[0]
    different = {key for key in before[1] if after[1][key] != before[1][key]}
    assert {'tree', 'children', 'state', 'keys'} <= different


def test_after_a_refusal_the_right_call_works():
    model = ResNet(18)
    with pytest.raises(ValueError, match='leaves no hidden channel'):
        insert_se(model, LAYER, position='identity', stage_cfg={5: dict(ratio=9999)})
    assert len(insert_se(model, LAYER, position='identity')) == 8
