"""Pre-activation ResNets and Wide ResNets for small images: every variant is data."""

from typing import NamedTuple, Unpack

from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.options import check_integer, check_option, check_rate

from .base import build_norm
from .layered import BackboneOptions, LayeredBackbone

# The convolutions of a residual, (kernel, expansion of the planes); the first one strides.
BLOCKS = {
    'basic': ((3, 1), (3, 1)),
    'bottleneck': ((1, 1), (3, 1), (1, 4)),
}


class PreActArch(NamedTuple):
    """The architecture that a depth names: a key of ``BLOCKS``, and blocks per stage."""

    block: str
    num_blocks: int


def norm_relu(channels: int, norm_cfg: dict) -> nn.Sequential:
    """A norm and a ReLU."""
    return nn.Sequential(build_norm(norm_cfg, channels), nn.ReLU(inplace=True))


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
    """

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int,
        convs: tuple[tuple[int, int], ...],
        dropout: float,
        norm_cfg: dict,
    ) -> None:
        super().__init__()
        self.out_channels = planes * convs[-1][1]
        self.preact = norm_relu(in_channels, norm_cfg)
        layers: list[nn.Module] = []
        channels = in_channels
        for i, (kernel, expansion) in enumerate(convs):
            if i > 0:
                layers.append(norm_relu(channels, norm_cfg))
            if dropout and i == len(convs) - 1:
                layers.append(nn.Dropout(dropout))
            width, step = planes * expansion, 1 if i else stride
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
    """Pre-activation ResNet (He et al., arXiv:1603.05027) with three stages of stride 1, 2, 4.

    The norm and ReLU after the last block belong to the last stage. The paper's bottlenecks stride
    in their first 1x1, as the authors' code does.

    Args:
        depth: Depth of the network, a key of ``arch_settings``.
        widen_factor: Factor of the planes 16, 32, 64 of the stages.
        dropout: Probability of dropping an activation before the last convolution of a block.
        in_channels: Channels of the input image.
        norm_cfg: Normalisation layer.
        **kwargs: ``out_indices``, ``frozen_stages``, ``norm_eval``, ``init_cfg`` of
            :class:`LayeredBackbone`.

    Raises:
        ValueError: An argument is out of its range.
    """

    arch_settings: dict[int, PreActArch] = {
        110: PreActArch('basic', 18),
        164: PreActArch('bottleneck', 18),
        1001: PreActArch('bottleneck', 111),
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
        stem = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        channels, layers = 16, []
        for i in range(3):
            planes = 16 * 2**i * widen_factor
            strides = [1 if i == 0 else 2] + [1] * (arch.num_blocks - 1)
            blocks = []
            for stride in strides:
                blocks.append(PreActBlock(channels, planes, stride, convs, dropout, norm_cfg))
                channels = blocks[-1].out_channels
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

    arch_settings = {depth: PreActArch('basic', (depth - 4) // 6) for depth in (16, 22, 28, 40)}

    def __init__(
        self, depth: int = 16, widen_factor: int = 8, **kwargs: Unpack[PreActOptions]
    ) -> None:
        super().__init__(depth, widen_factor, **kwargs)
