"""Where a recalibration layer can act: all that is known here of other libraries' blocks.

A port is the input or output of a sub-module of a block, at which a hook applies the layer, or the
block's own place for a layer, its slot. The tables below give the port of each position of the
paper's figure 5 in each kind of block.

A port is never a batch norm: SyncBN conversion and conv-BN fusion replace the norm by another
module, and the layer's hook would be lost without an error.
"""

import re
from typing import Literal, NamedTuple

from torch import nn


class Port(NamedTuple):
    """A place in a block at which a layer can act.

    Attributes:
        path: Path of the sub-module in the block, ``''`` for the block itself.
        side: ``in`` or ``out``: the layer acts on the first input or on the output of the
            sub-module. ``slot``: the block's own ``forward`` calls the layer.
    """

    path: str
    side: Literal['in', 'out', 'slot']

    def __str__(self) -> str:
        if self.side == 'slot':
            return 'slot'
        side = {'in': 'input', 'out': 'output'}[self.side]
        return f'{side} of {self.path or "the block"}'


# The block's own place `se`: its forward says `relu(se(branch(x)) + shortcut)`.
SLOT = Port('se', 'slot')

# Position -> port. The residual branch of a block begins with `conv1`; in a bottleneck `conv3`
# follows the 3x3 convolution.

BLOCK_OUTPUT = dict(standard=Port('', 'out'))
# Dense blocks and the transitions between them, whose layers are the blocks of other positions.
STAGE_OUTPUT = dict(stage=Port('', 'out'))
RESIDUAL = dict(standard=Port('residual', 'out'), pre=Port('residual', 'in'), post=Port('', 'out'))
PRE_POST = dict(pre=Port('conv1', 'in'), post=Port('', 'out'))
IDENTITY = dict(identity=Port('downsample', 'in'))
CONV3X3 = dict(conv3x3=Port('conv3', 'in'))

CONV_BRANCH = dict(standard=Port('conv', 'out'), pre=Port('conv', 'in'), post=Port('', 'out'))
TWO_BRANCHES = dict(
    standard=Port('branch2', 'out'), pre=Port('branch2', 'in'), post=Port('', 'out')
)

# Package of a library -> class of a block, by module and name (subclasses included) -> position ->
# port. Another library builds the network of the same name from other blocks.
PORTS: dict[str, dict[str, dict[str, Port]]] = {
    'senet_mm.models.backbones': {
        'base.Block': dict(standard=SLOT),
        'resnet.BasicBlock': dict(standard=SLOT) | PRE_POST | IDENTITY,
        'resnet.Bottleneck': dict(standard=SLOT) | PRE_POST | IDENTITY | CONV3X3,
        'inception.InceptionBlock': BLOCK_OUTPUT,
        'inception.InceptionResNetBlock': RESIDUAL,
        'mobilenet_v1.DepthwiseSeparable': BLOCK_OUTPUT,
        'preact_resnet.PreActBlock': RESIDUAL,
        'shake_shake.ShakeBlock': RESIDUAL,
        'small_cnn.ConvBlock': BLOCK_OUTPUT,
        'small_densenet.SmallDenseLayer': BLOCK_OUTPUT,
        'small_densenet.SmallDenseBlock': STAGE_OUTPUT,
        'small_densenet.SmallTransition': STAGE_OUTPUT,
    },
    'mmpretrain.models.backbones': {
        'resnet.BasicBlock': dict(standard=Port('drop_path', 'in')) | PRE_POST | IDENTITY,
        'resnet.Bottleneck': dict(standard=Port('drop_path', 'in')) | PRE_POST | IDENTITY | CONV3X3,
        'res2net.Bottle2neck': PRE_POST | IDENTITY | CONV3X3,
        'mobilenet_v2.InvertedResidual': CONV_BRANCH,
        'shufflenet_v1.ShuffleUnit': dict(
            standard=Port('g_conv_1x1_expand', 'out'),
            pre=Port('g_conv_1x1_compress', 'in'),
            post=Port('', 'out'),
        ),
        'shufflenet_v2.InvertedResidual': TWO_BRANCHES,
        'densenet.DenseLayer': BLOCK_OUTPUT,
        'densenet.DenseBlock': STAGE_OUTPUT,
        'densenet.DenseTransition': STAGE_OUTPUT,
        **{f'inception_v3.Inception{kind}': BLOCK_OUTPUT for kind in 'ABCDE'},
    },
    'timm.models': {
        'resnet.BasicBlock': dict(standard=SLOT) | PRE_POST | IDENTITY,
        'resnet.Bottleneck': dict(standard=SLOT) | PRE_POST | IDENTITY | CONV3X3,
        'densenet.DenseLayer': BLOCK_OUTPUT,
        'densenet.DenseBlock': STAGE_OUTPUT,
        'densenet.DenseTransition': STAGE_OUTPUT,
        # Their slot is behind the depthwise convolution, as in MobileNetV3 and EfficientNet.
        '_efficientnet_blocks.DepthwiseSeparableConv': dict(
            standard=SLOT, pre=Port('conv_dw', 'in'), post=Port('', 'out')
        ),
        '_efficientnet_blocks.InvertedResidual': dict(
            standard=SLOT, pre=Port('conv_pw', 'in'), post=Port('', 'out')
        ),
        '_efficientnet_blocks.EdgeResidual': dict(
            standard=SLOT, pre=Port('conv_exp', 'in'), post=Port('', 'out')
        ),
    },
    'torchvision.models': {
        'densenet._DenseLayer': BLOCK_OUTPUT,
        'densenet._DenseBlock': STAGE_OUTPUT,
        'densenet._Transition': STAGE_OUTPUT,
        'googlenet.Inception': BLOCK_OUTPUT,
        'resnet.BasicBlock': PRE_POST,
        'resnet.Bottleneck': PRE_POST | CONV3X3,
        'mobilenetv2.InvertedResidual': CONV_BRANCH,
        'regnet.ResBottleneckBlock': dict(
            standard=Port('f', 'out'), pre=Port('f', 'in'), post=Port('', 'out')
        ),
        'shufflenetv2.InvertedResidual': TWO_BRANCHES,
    },
}

# Classes that are blocks in these networks alone; elsewhere they are parts of blocks.
PORTS_OF_BACKBONE: dict[str, dict[str, dict[str, Port]]] = {
    'mmpretrain.models.backbones.vgg.VGG': {'mmcv.cnn.bricks.conv_module.ConvModule': BLOCK_OUTPUT},
}

# Networks whose stages `layer1`, `layer2`, ... are SE_2, SE_3, ... of the paper whatever their
# strides, in dilated networks and those for small images too. Stages of others follow from strides.
STAGED = {
    'senet_mm.models.backbones.preact_resnet.PreActResNet',
    'senet_mm.models.backbones.resnet.ResNet',
    'senet_mm.models.backbones.shake_shake.ShakeShake',
    'senet_mm.models.backbones.small_cnn.SmallCNN',
    'senet_mm.models.backbones.small_densenet.SmallDenseNet',
    'mmpretrain.models.backbones.resnet.ResNet',
    'timm.models._features.FeatureListNet',
    'timm.models.resnet.ResNet',
    'torchvision.models.resnet.ResNet',
}

# (module of a block, position that it does not have) -> what to do instead.
REMEDIES = {
    ('torchvision.models.resnet', 'standard'): (
        "the residual branch of torchvision's ResNet ends with a batch norm, which cannot keep a "
        "layer: take senet_mm.models.ResNet or ResNeXt (torchvision's names, and its weights "
        "fit), or timm's resnet"
    ),
    ('mmpretrain.models.backbones.res2net', 'standard'): (
        "the residual branch of mmpretrain's Res2Net ends with a batch norm, which cannot keep a "
        "layer, and its blocks run no drop_path: take position='post', or another network"
    ),
}


def known_networks() -> str:
    """The networks of the table by library, in a line: ``timm: densenet, resnet; ...``."""
    networks: dict[str, set[str]] = {package.partition('.')[0]: set() for package in PORTS}
    for package, blocks in PORTS.items():
        networks[package.partition('.')[0]] |= {block.partition('.')[0] for block in blocks}
    for backbone in PORTS_OF_BACKBONE:
        networks[backbone.partition('.')[0]].add(backbone.split('.')[-2])
    parts = [
        f'{library}: {", ".join(sorted(name.strip("_").removesuffix("_blocks") for name in names))}'
        for library, names in networks.items()
        if library != 'senet_mm'
    ]
    return '; '.join(['senet_mm: all', *parts])


def _names(module: nn.Module) -> list[str]:
    """Module and name of the class and of those it derives from."""
    return [f'{kind.__module__}.{kind.__qualname__}' for kind in type(module).__mro__]


def ports_of(backbone: nn.Module) -> dict[str, dict[str, Port]]:
    """Ports by position, by full name of the class of a block, for a backbone."""
    table = {
        f'{package}.{block}': ports
        for package, blocks in PORTS.items()
        for block, ports in blocks.items()
    }
    for name in _names(backbone):
        table |= PORTS_OF_BACKBONE.get(name, {})
    return table


def stage_by_name(backbone: nn.Module, block: str) -> int | None:
    """Stage of a block by its path; None in a network whose stages are numbered by stride."""
    steps = block.split('.')
    for i, step in enumerate(steps):
        match = re.fullmatch(r'layer(\d+)', step)
        if match and not STAGED.isdisjoint(_names(backbone.get_submodule('.'.join(steps[:i])))):
            return int(match[1]) + 1
    return None


def find_ports(block: nn.Module, table: dict[str, dict]) -> dict[str, Port] | None:
    """Positions of a block and their ports; None for a module that is not in the table."""
    return next((table[name] for name in _names(block) if name in table), None)
