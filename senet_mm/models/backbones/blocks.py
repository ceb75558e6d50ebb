"""Residual blocks, written as the paper draws them; what varies is a :class:`BlockSpec`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from senet_mm.utils.options import check_option

from .base import Block

STYLES = ('pytorch', 'caffe')
DOWNSAMPLES = ('conv1x1', 'conv3x3', 'avg_pool', 'pad')


@dataclass(frozen=True)
class BlockSpec:
    """What all blocks of one network share.

    Attributes:
        groups: Groups of the 3x3 convolution of a bottleneck.
        width_per_group: Channels per group in the first stage (4 in "32x4d"); None is the base
            width of the stage.
        halve_conv1: The first 1x1 convolution has half the width of the 3x3 (SENet-154).
        style: ``caffe`` strides in the first 1x1 convolution, ``pytorch`` in the 3x3.
        downsample: Shortcut of a block that changes shape: a strided ``conv1x1``; ``conv3x3`` where
            it strides, else 1x1 (SENet-154); ``avg_pool`` before a 1x1 (ResNet-D); ``pad``:
            subsampled and padded with zero channels (option A of the CIFAR ResNets).
        dilate_first: The first block of a stage is dilated like the others, as in mmpretrain; else
            its first 3x3 convolution has the dilation of the stage before, as in torchvision.
        zero_init_residual: Start with a zero gain in the last norm of every block.
        with_cp: Recompute a block in the backward pass instead of storing its activations.
        base_planes: Planes of the first stage, to which ``width_per_group`` refers.
        norm_cfg: Normalisation layer.
    """

    groups: int = 1
    width_per_group: int | None = None
    halve_conv1: bool = False
    style: str = 'pytorch'
    downsample: str = 'conv1x1'
    dilate_first: bool = False
    zero_init_residual: bool = False
    with_cp: bool = False
    base_planes: int = 64
    norm_cfg: dict = field(default_factory=lambda: dict(type='BN'))

    def __post_init__(self) -> None:
        check_option('style', self.style, STYLES)
        check_option('downsample', self.downsample, DOWNSAMPLES)

    def norm(self, channels: int) -> nn.Module:
        return build_norm_layer(dict(self.norm_cfg), channels)[1]

    def first_dilation(self, dilations: Sequence[int], stage: int) -> int:
        """Dilation of the first 3x3 convolution of a stage: where it strides it sees the old map.

        Args:
            dilations: Dilations of all stages.
            stage: The stage, from 0.
        """
        like_others = self.dilate_first or self.style == 'caffe'
        return dilations[stage if like_others else max(stage - 1, 0)]


class PadShortcut(nn.Module):
    """Identity shortcut across a change of shape: (N, C, H, W) -> (N, C', ceil(H/s), ceil(W/s)).

    He et al., arXiv:1512.03385, section 3.3, option A: no parameters, new channels are zero.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.new_channels = out_channels - in_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        before = self.new_channels // 2
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, before, self.new_channels - before))


def make_downsample(
    spec: BlockSpec, in_channels: int, out_channels: int, stride: int
) -> nn.Module | None:
    """The shortcut of a block; None where input and output have one shape."""
    if stride == 1 and in_channels == out_channels:
        return None
    if spec.downsample == 'pad':
        return PadShortcut(in_channels, out_channels, stride)
    layers = []
    if spec.downsample == 'avg_pool' and stride > 1:
        layers = [nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)]
        stride = 1
    kernel = 3 if spec.downsample == 'conv3x3' and stride > 1 else 1
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(*layers, conv, spec.norm(out_channels))


def make_drop_path(rate: float) -> nn.Module:
    """Stochastic depth (arXiv:1603.09382); nothing at a rate of 0."""
    return DropPath(rate) if rate > 0 else nn.Identity()


class BasicBlock(Block):
    """Two 3x3 convolutions (ResNet-18 and 34, the CIFAR ResNets).

    Args:
        in_channels: Channels of the input.
        planes: Width of the stage, and channels of the output.
        stride: Stride of the block.
        spec: What all blocks of the network share.
        dilation: Dilation of the stage.
        first_dilation: Dilation of the first 3x3 convolution.
        drop_path_rate: Probability of dropping the residual branch of a sample in training.

    Raises:
        ValueError: The spec is one of bottlenecks.
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int = 1,
        spec: BlockSpec = BlockSpec(),
        dilation: int = 1,
        first_dilation: int = 1,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__(planes, spec.with_cp)
        if spec.groups != 1 or spec.width_per_group is not None or spec.halve_conv1:
            raise ValueError(
                f'groups={spec.groups}, width_per_group={spec.width_per_group}, '
                f'halve_conv1={spec.halve_conv1} need bottlenecks; '
                'allowed in basic blocks: 1, None, False'
            )
        self.conv1 = nn.Conv2d(
            in_channels, planes, 3, stride, first_dilation, first_dilation, bias=False
        )
        self.bn1 = spec.norm(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, dilation, dilation, bias=False)
        self.bn2 = spec.norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.se = nn.Identity()
        self.drop_path = make_drop_path(drop_path_rate)
        self.downsample = make_downsample(spec, in_channels, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block, (N, C, H, W) -> (N, C', H/s, W/s)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out = self.drop_path(self.se(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(out + shortcut)

    @property
    def last_norm(self) -> nn.Module:
        """The norm whose gain ``zero_init_residual`` sets to 0."""
        return self.bn2


class Bottleneck(Block):
    """1x1, 3x3 (grouped in ResNeXt), 1x1 with four times the planes.

    Args:
        in_channels: Channels of the input.
        planes: Base width of the stage; the output has four times as many channels.
        stride: Stride of the block.
        spec: What all blocks of the network share.
        dilation: Dilation of the stage, which bottlenecks do not need.
        first_dilation: Dilation of the first 3x3 convolution, a bottleneck's only one.
        drop_path_rate: Probability of dropping the residual branch of a sample in training.
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int = 1,
        spec: BlockSpec = BlockSpec(),
        dilation: int = 1,
        first_dilation: int = 1,
        drop_path_rate: float = 0.0,
    ) -> None:
        out_channels = planes * self.expansion
        super().__init__(out_channels, spec.with_cp)
        width_per_group = spec.width_per_group or spec.base_planes
        width = planes * width_per_group // spec.base_planes * spec.groups
        reduced = width // 2 if spec.halve_conv1 else width
        stride1, stride2 = (stride, 1) if spec.style == 'caffe' else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, reduced, 1, stride1, bias=False)
        self.bn1 = spec.norm(reduced)
        self.conv2 = nn.Conv2d(
            reduced, width, 3, stride2, first_dilation, first_dilation, spec.groups, bias=False
        )
        self.bn2 = spec.norm(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = spec.norm(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.se = nn.Identity()
        self.drop_path = make_drop_path(drop_path_rate)
        self.downsample = make_downsample(spec, in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block, (N, C, H, W) -> (N, C', H/s, W/s)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out = self.drop_path(self.se(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(out + shortcut)

    @property
    def last_norm(self) -> nn.Module:
        """The norm whose gain ``zero_init_residual`` sets to 0."""
        return self.bn3
