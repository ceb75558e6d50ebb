"""Where a recalibration layer can act: all knowledge of other people's architectures.

A port is the input or the output of a sub-module of a block. It is never a batch norm: SyncBN
conversion and conv-BN fusion put another module in its place, and the layer would be gone.
"""

from typing import NamedTuple

from torch import nn


class Port(NamedTuple):
    """Attributes:
    path: Path of the sub-module in the block, ``''`` for the block itself.
    side: ``in`` or ``out``: the layer acts on the first input or on the output of the sub-module.
    """

    path: str
    side: str

    def __str__(self) -> str:
        side = {'in': 'input', 'out': 'output'}[self.side]
        return f'{side} of {self.path or "the block"}'


# The slot `se` of a block, which the block itself applies to the residual branch.
SLOT = 'slot'

BLOCK_OUTPUT = dict(standard=Port('', 'out'))
RESIDUAL = dict(standard=Port('residual', 'out'), pre=Port('residual', 'in'), post=Port('', 'out'))
PRE_POST = dict(pre=Port('conv1', 'in'), post=Port('', 'out'))
IDENTITY = dict(identity=Port('downsample', 'in'))
CONV3X3 = dict(conv3x3=Port('conv3', 'in'))

# Class of a block, by module and name (subclasses included) -> position -> port.
PORTS: dict[str, dict[str, Port | str]] = {
    'senet_mm.models.backbones.base.SlotBlock': dict(standard=SLOT),
    'senet_mm.models.backbones.res_blocks.BasicBlock': dict(standard=SLOT) | PRE_POST | IDENTITY,
    'senet_mm.models.backbones.res_blocks.Bottleneck': dict(standard=SLOT)
    | PRE_POST
    | IDENTITY
    | CONV3X3,
    'senet_mm.models.backbones.inception.InceptionBlock': BLOCK_OUTPUT,
    'senet_mm.models.backbones.inception.InceptionResNetBlock': RESIDUAL,
    'senet_mm.models.backbones.mobilenet_v1.DepthwiseSeparable': BLOCK_OUTPUT,
    'senet_mm.models.backbones.preact_resnet.PreActBlock': RESIDUAL,
    'senet_mm.models.backbones.shake_shake.ShakeBlock': RESIDUAL,
    'senet_mm.models.backbones.small_cnn.ConvBlock': BLOCK_OUTPUT,
    'mmpretrain.models.backbones.resnet.BasicBlock': dict(standard=Port('drop_path', 'in'))
    | PRE_POST
    | IDENTITY,
    'mmpretrain.models.backbones.resnet.Bottleneck': dict(standard=Port('drop_path', 'in'))
    | PRE_POST
    | IDENTITY
    | CONV3X3,
    'mmpretrain.models.backbones.mobilenet_v2.InvertedResidual': dict(
        standard=Port('conv', 'out'), pre=Port('conv', 'in'), post=Port('', 'out')
    ),
    'mmpretrain.models.backbones.shufflenet_v1.ShuffleUnit': dict(
        standard=Port('g_conv_1x1_expand', 'out'),
        pre=Port('g_conv_1x1_compress', 'in'),
        post=Port('', 'out'),
    ),
    'mmpretrain.models.backbones.shufflenet_v2.InvertedResidual': dict(
        standard=Port('branch2', 'out'), pre=Port('branch2', 'in'), post=Port('', 'out')
    ),
    'mmpretrain.models.backbones.densenet.DenseLayer': BLOCK_OUTPUT,
    **{
        f'mmpretrain.models.backbones.inception_v3.Inception{kind}': BLOCK_OUTPUT
        for kind in 'ABCDE'
    },
    'timm.models.resnet.BasicBlock': dict(standard=SLOT) | PRE_POST | IDENTITY,
    'timm.models.resnet.Bottleneck': dict(standard=SLOT) | PRE_POST | IDENTITY | CONV3X3,
    'timm.models.densenet.DenseLayer': BLOCK_OUTPUT,
    'torchvision.models.densenet._DenseLayer': BLOCK_OUTPUT,
    'torchvision.models.googlenet.Inception': BLOCK_OUTPUT,
    # The residual branch ends with a batch norm: no port there; SEResNet has the same names.
    'torchvision.models.resnet.BasicBlock': PRE_POST,
    'torchvision.models.resnet.Bottleneck': PRE_POST | CONV3X3,
    'torchvision.models.mobilenetv2.InvertedResidual': dict(
        standard=Port('conv', 'out'), pre=Port('conv', 'in'), post=Port('', 'out')
    ),
    'torchvision.models.regnet.ResBottleneckBlock': dict(
        standard=Port('f', 'out'), pre=Port('f', 'in'), post=Port('', 'out')
    ),
    'torchvision.models.shufflenetv2.InvertedResidual': dict(
        standard=Port('branch2', 'out'), pre=Port('branch2', 'in'), post=Port('', 'out')
    ),
}

# In these networks every block of the class named is one; elsewhere it is a part of others.
PORTS_OF_BACKBONE: dict[str, dict[str, dict[str, Port]]] = {
    'mmpretrain.models.backbones.vgg.VGG': {'mmcv.cnn.bricks.conv_module.ConvModule': BLOCK_OUTPUT},
}


def _names(module: nn.Module) -> list[str]:
    """Module and name of the class and of those it derives from."""
    return [f'{kind.__module__}.{kind.__qualname__}' for kind in type(module).__mro__]


def ports_of(backbone: nn.Module) -> dict[str, dict[str, Port | str]]:
    """The table for a backbone."""
    table = dict(PORTS)
    for name in _names(backbone):
        table |= PORTS_OF_BACKBONE.get(name, {})
    return table


def find_ports(block: nn.Module, table: dict[str, dict]) -> dict[str, Port | str] | None:
    """Positions of a block and their ports; None for a module that is not in the table."""
    return next((table[name] for name in _names(block) if name in table), None)
