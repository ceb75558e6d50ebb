"""Residual blocks with an ``se`` slot; a variant is a :class:`BlockSpec`."""

from dataclasses import dataclass, field

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from senet_mm.ops import IMPLEMENTATIONS, norm_relu_conv, se_tail
from senet_mm.utils.options import check_option

from .base import SlotBlock

STYLES = ('pytorch', 'caffe')
DOWNSAMPLES = ('conv1x1', 'conv3x3', 'avg_pool', 'pad')


@dataclass(frozen=True)
class BlockSpec:
    """What all blocks of one network share.

    Attributes:
        groups: Groups of the 3x3 convolution of a bottleneck.
        width_per_group: Channels per group at 64 planes (4 in "32x4d").
        halve_conv1: The first 1x1 convolution has half the width of the 3x3 (SENet-154).
        style: ``caffe`` strides in the first 1x1 convolution, ``pytorch`` in the 3x3.
        downsample: Shortcut of a block that changes shape: a strided ``conv1x1``; ``conv3x3`` where
            it strides, else 1x1 (SENet-154); ``avg_pool`` before a 1x1 (ResNet-D); ``pad``:
            subsampled and padded with zero channels (option A of the CIFAR ResNets).
        norm_cfg: Normalisation layer.
        with_cp: Recompute the block in the backward pass instead of storing its activations.
        tail: Implementation of the block's tail and of its norms with ReLU, see
            :func:`senet_mm.ops.se_tail`.
        lean: Recompute the rectified maps between the block's convolutions, and no more, in the
            backward pass (see :func:`senet_mm.ops.norm_relu_conv`).
    """

    groups: int = 1
    width_per_group: int = 64
    halve_conv1: bool = False
    style: str = 'pytorch'
    downsample: str = 'conv1x1'
    norm_cfg: dict = field(default_factory=lambda: dict(type='BN'))
    with_cp: bool = False
    tail: str = 'auto'
    lean: bool = False

    def __post_init__(self) -> None:
        check_option('style', self.style, STYLES)
        check_option('downsample', self.downsample, DOWNSAMPLES)
        check_option('tail', self.tail, IMPLEMENTATIONS)

    def norm(self, channels: int) -> nn.Module:
        return build_norm_layer(dict(self.norm_cfg), channels)[1]


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


def make_downsample(spec: BlockSpec, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The shortcut of a block whose input and output differ in shape."""
    if spec.downsample == 'pad':
        return PadShortcut(in_channels, out_channels, stride)
    layers = []
    if spec.downsample == 'avg_pool' and stride > 1:
        layers = [nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)]
        stride = 1
    kernel = 3 if spec.downsample == 'conv3x3' and stride > 1 else 1
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(*layers, conv, spec.norm(out_channels))


class ResBlock(SlotBlock):
    """A residual block: ``relu(drop_path(se(branch(x))) + shortcut(x))``.

    Args:
        in_channels: Channels of the input.
        planes: Base width of the stage; the output has ``planes * expansion`` channels.
        stride: Stride of the block.
        spec: What all blocks of the network share.
        drop_path_rate: Probability of dropping the residual branch of a sample in training.
    """

    expansion: int

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int,
        spec: BlockSpec,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__(planes * self.expansion, spec.with_cp)
        self.in_channels = in_channels
        self.make_convs(planes, stride, spec)
        self.tail, self.lean = spec.tail, spec.lean
        self.register_module('se', None)
        changes_shape = stride > 1 or in_channels != self.out_channels
        self.downsample = (
            make_downsample(spec, in_channels, self.out_channels, stride) if changes_shape else None
        )
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate > 0 else None

    def make_convs(self, planes: int, stride: int, spec: BlockSpec) -> None:
        """Create the convolutions of the residual branch and their norms."""
        raise NotImplementedError

    @property
    def branch(self) -> list[tuple[nn.Module, nn.Module]]:
        """The residual branch: its convolutions, each with the norm behind it."""
        raise NotImplementedError

    @property
    def last_norm(self) -> nn.Module:
        """The norm after the last convolution."""
        return self.branch[-1][1]

    def _forward(self, x: Tensor) -> Tensor:
        (conv, norm), *rest = self.branch
        z = conv(x)
        for conv, next_norm in rest:
            z = norm_relu_conv(z, norm, conv, self.tail, self.lean)
            norm = next_norm
        shortcut = x if self.downsample is None else self.downsample(x)
        return se_tail(z, shortcut, norm, self.se, self.drop_path, self.tail)


class BasicBlock(ResBlock):
    """Two 3x3 convolutions (ResNet-18 and 34, the CIFAR ResNets)."""

    expansion = 1

    def make_convs(self, planes: int, stride: int, spec: BlockSpec) -> None:
        if spec.groups != 1 or spec.width_per_group != 64 or spec.halve_conv1:
            raise ValueError(
                f'groups={spec.groups}, width_per_group={spec.width_per_group}, '
                f'halve_conv1={spec.halve_conv1} need bottlenecks; '
                'allowed in basic blocks: 1, 64, False'
            )
        self.conv1 = nn.Conv2d(self.in_channels, planes, 3, stride, 1, bias=False)
        self.bn1 = spec.norm(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = spec.norm(planes)

    @property
    def branch(self) -> list[tuple[nn.Module, nn.Module]]:
        return [(self.conv1, self.bn1), (self.conv2, self.bn2)]


class Bottleneck(ResBlock):
    """1x1, 3x3 (grouped in ResNeXt), 1x1 with four times the planes."""

    expansion = 4

    def make_convs(self, planes: int, stride: int, spec: BlockSpec) -> None:
        width = planes * spec.width_per_group // 64 * spec.groups
        reduced = width // 2 if spec.halve_conv1 else width
        stride1, stride2 = (stride, 1) if spec.style == 'caffe' else (1, stride)
        self.conv1 = nn.Conv2d(self.in_channels, reduced, 1, stride1, bias=False)
        self.bn1 = spec.norm(reduced)
        self.conv2 = nn.Conv2d(
            reduced, width, 3, stride2, padding=1, groups=spec.groups, bias=False
        )
        self.bn2 = spec.norm(width)
        self.conv3 = nn.Conv2d(width, self.out_channels, 1, bias=False)
        self.bn3 = spec.norm(self.out_channels)

    @property
    def branch(self) -> list[tuple[nn.Module, nn.Module]]:
        return [(self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)]
