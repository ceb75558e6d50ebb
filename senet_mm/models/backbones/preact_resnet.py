"""Pre-activation ResNets and Wide ResNets: every variant is data."""

from typing import NamedTuple, Unpack

from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.options import check_integer, check_option, check_rate

from .base import build_norm
from .layered import BackboneOptions, LayeredBackbone, conv_bn


class PreActConv(NamedTuple):
    """A convolution of a residual: its kernel, its width in planes, and whether it strides."""

    kernel: int
    expansion: int = 1
    strides: bool = False


# Kind of a block -> the convolutions of its residual. The bottlenecks for small images stride in
# their first 1x1, those for ImageNet in the 3x3, as in the code of the papers.
BLOCKS = {
    'basic': (PreActConv(3, strides=True), PreActConv(3)),
    'bottleneck': (PreActConv(1, strides=True), PreActConv(3), PreActConv(1, 4)),
    'bottleneck3x3': (PreActConv(1), PreActConv(3, strides=True), PreActConv(1, 4)),
}


class PreActArch(NamedTuple):
    """The architecture that a depth names.

    Attributes:
        block: Kind of the blocks, a key of ``BLOCKS``.
        num_blocks: Blocks of every stage.
        planes: Base width of the first stage, and channels of the stem.
        large: A stem of stride 4 for ImageNet, which ends with norm, ReLU and max pooling: the
            first block has no activation before it. Else a 3x3 convolution alone.
    """

    block: str
    num_blocks: tuple[int, ...]
    planes: int = 16
    large: bool = False


def norm_relu(channels: int, norm_cfg: dict) -> nn.Sequential:
    """A norm and a ReLU."""
    return nn.Sequential(build_norm(norm_cfg, channels), nn.ReLU(inplace=True))


def make_stem(in_channels: int, arch: PreActArch, norm_cfg: dict) -> nn.Module:
    """What comes before the first block, for an image (N, C, H, W)."""
    if not arch.large:
        return nn.Conv2d(in_channels, arch.planes, 3, padding=1, bias=False)
    stem = conv_bn(in_channels, arch.planes, 7, norm_cfg, stride=2)
    stem.add_module('pool', nn.MaxPool2d(3, 2, padding=1))
    return stem


class PreActBlock(nn.Module):
    """``shortcut(x) + residual(preact(x))``; where channels change the shortcut sees ``preact(x)``.

    He et al., arXiv:1603.05027, figure 4e and appendix.

    Args:
        in_channels: Channels of the input.
        planes: Base width of the stage.
        stride: Stride of the block.
        convs: Convolutions of the residual, a value of ``BLOCKS``.
        dropout: Probability of dropping an activation before the last convolution.
        norm_cfg: Normalisation layer.
        activated: The input is activated already; ``preact`` does nothing.
    """

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int,
        convs: tuple[PreActConv, ...],
        dropout: float,
        norm_cfg: dict,
        activated: bool = False,
    ) -> None:
        super().__init__()
        self.out_channels = planes * convs[-1].expansion
        self.preact = nn.Identity() if activated else norm_relu(in_channels, norm_cfg)
        layers: list[nn.Module] = []
        channels = in_channels
        for i, (kernel, expansion, strides) in enumerate(convs):
            if i > 0:
                layers.append(norm_relu(channels, norm_cfg))
            if dropout and i == len(convs) - 1:
                layers.append(nn.Dropout(dropout))
            width, step = planes * expansion, stride if strides else 1
            layers.append(nn.Conv2d(channels, width, kernel, step, kernel // 2, bias=False))
            channels = width
        self.residual = nn.Sequential(*layers)
        self.downsample: nn.Module | None = None
        if in_channels != self.out_channels:
            self.downsample = nn.Conv2d(in_channels, self.out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The block, (N, C, H, W) -> (N, C', H/s, W/s)."""
        activated = self.preact(x)
        shortcut = x if self.downsample is None else self.downsample(activated)
        return shortcut + self.residual(activated)


@MODELS.register_module()
class PreActResNet(LayeredBackbone):
    """Pre-activation ResNet (He et al., arXiv:1603.05027).

    Depths 110, 164 and 1001 are the networks for small images, with three stages of stride 1, 2, 4.
    Depths 18 to 269 are those for ImageNet, with four stages of stride 4 to 32 (fb.resnet.torch,
    ``preresnet.lua``). The norm and ReLU after the last block belong to the last stage.

    Args:
        depth: Depth of the network, a key of ``arch_settings``.
        widen_factor: Factor of the planes of the stages (16, 32, 64; for ImageNet 64 to 512).
        dropout: Probability of dropping an activation before the last convolution of a block.
        in_channels: Channels of the input image.
        norm_cfg: Normalisation layer.
        **kwargs: ``out_indices``, ``frozen_stages``, ``norm_eval``, ``init_cfg`` of
            :class:`LayeredBackbone`.

    Raises:
        ValueError: An argument is out of its range.
    """

    arch_settings: dict[int, PreActArch] = {
        110: PreActArch('basic', (18,) * 3),
        164: PreActArch('bottleneck', (18,) * 3),
        1001: PreActArch('bottleneck', (111,) * 3),
        18: PreActArch('basic', (2, 2, 2, 2), 64, large=True),
        34: PreActArch('basic', (3, 4, 6, 3), 64, large=True),
        50: PreActArch('bottleneck3x3', (3, 4, 6, 3), 64, large=True),
        101: PreActArch('bottleneck3x3', (3, 4, 23, 3), 64, large=True),
        152: PreActArch('bottleneck3x3', (3, 8, 36, 3), 64, large=True),
        200: PreActArch('bottleneck3x3', (3, 24, 36, 3), 64, large=True),
        269: PreActArch('bottleneck3x3', (3, 30, 48, 8), 64, large=True),
    }

    def __init__(
        self,
        depth: int,
        widen_factor: int = 1,
        dropout: float = 0.0,
        in_channels: int = 3,
        norm_cfg: dict = dict(type='BN'),
        **kwargs: Unpack[BackboneOptions],
    ) -> None:
        check_option('depth', depth, sorted(self.arch_settings))
        check_integer('in_channels', in_channels)
        check_integer('widen_factor', widen_factor)
        check_rate('dropout', dropout)
        arch = self.arch_settings[depth]
        convs = BLOCKS[arch.block]
        stem = make_stem(in_channels, arch, norm_cfg)
        channels = arch.planes
        layers: list[list[nn.Module]] = []
        for i, num_blocks in enumerate(arch.num_blocks):
            planes = arch.planes * 2**i * widen_factor
            strides = [1 if i == 0 else 2] + [1] * (num_blocks - 1)
            blocks: list[nn.Module] = []
            for stride in strides:
                activated = arch.large and not layers and not blocks
                block = PreActBlock(
                    channels, planes, stride, convs, dropout, norm_cfg, activated=activated
                )
                blocks.append(block)
                channels = block.out_channels
            layers.append(blocks)
        super().__init__(stem, layers, norm_relu(channels, norm_cfg), **kwargs)


class PreActOptions(BackboneOptions, total=False):
    """Arguments of :class:`PreActResNet` that its subclass hands on."""

    dropout: float
    in_channels: int
    norm_cfg: dict


@MODELS.register_module()
class WideResNet(PreActResNet):
    """Wide ResNet (Zagoruyko and Komodakis, arXiv:1605.07146), WRN-16-8 by default.

    Arguments as :class:`PreActResNet`; the paper's dropout is 0.3 where it has one.
    """

    arch_settings = {
        depth: PreActArch('basic', ((depth - 4) // 6,) * 3) for depth in (16, 22, 28, 40)
    }

    def __init__(
        self, depth: int = 16, widen_factor: int = 8, **kwargs: Unpack[PreActOptions]
    ) -> None:
        super().__init__(depth, widen_factor, **kwargs)
