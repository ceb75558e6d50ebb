"""Shake-Shake networks for small images (Gastaldi, arXiv:1705.07485): every variant is data."""

from typing import NamedTuple, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from senet_mm.models.layers import ShakeSum
from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_integer, check_option

from .base import build_norm
from .layered import BackboneOptions, LayeredBackbone


class ShakeArch(NamedTuple):
    """The architecture that a depth names.

    Attributes:
        kernels: Kernels of the convolutions of a branch; the first 3x3 strides.
        num_blocks: Blocks of a stage.
        stem: Channels of the stem.
        preact: Rectify the input of a block, else its output.
        out_channels: Output channels of the first stage; 0 for those of the branch.
    """

    kernels: tuple[int, ...]
    num_blocks: int
    stem: int
    preact: bool
    out_channels: int = 0


class BlockShape(NamedTuple):
    """Channels of a block and within its branches, its stride, and groups of its 3x3."""

    in_channels: int
    width: int
    out_channels: int
    stride: int
    groups: int


class ShiftedShortcut(nn.Module):
    """Two 1x1 convolutions of subsampled maps, one shifted by a pixel down and right, concatenated.

    The shortcut of a block that changes shape, (N, C, H, W) -> (N, C', ceil(H/s), ceil(W/s)). The
    second path is shifted, so that it sees pixels that the first one skips (authors' code).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, norm_cfg: dict) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(in_channels, out_channels // 2, 1, bias=False)
        self.conv2 = nn.Conv2d(in_channels, out_channels - out_channels // 2, 1, bias=False)
        self.bn = build_norm(norm_cfg, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        step, shifted = self.stride, F.pad(x, (1, -1, 1, -1))
        paths = self.conv1(x[:, :, ::step, ::step]), self.conv2(shifted[:, :, ::step, ::step])
        return self.bn(torch.cat(paths, 1))


def make_branch(shape: BlockShape, kernels: tuple[int, ...], norm_cfg: dict) -> nn.Sequential:
    """The convolutions of one branch, each with its norm, and a ReLU between them."""
    layers, channels, last = [], shape.in_channels, len(kernels) - 1
    for i, kernel in enumerate(kernels):
        width = shape.out_channels if i == last else shape.width
        stride = shape.stride if i == kernels.index(3) else 1
        groups = shape.groups if kernel == 3 else 1
        layers += [
            nn.Conv2d(channels, width, kernel, stride, kernel // 2, groups=groups, bias=False),
            build_norm(norm_cfg, width),
            nn.ReLU(inplace=True),
        ]
        channels = width
    return nn.Sequential(*layers[:-1])


class ShakeBlock(nn.Module):
    """A block of two branches with random weights: ``shortcut(x) + residual(x)``.

    Args:
        shape: Channels, stride and groups.
        arch: What all blocks of the network share.
        norm_cfg: Normalisation layer.
        **modes: ``forward_mode`` and ``backward_mode`` of :class:`ShakeSum`.
    """

    def __init__(self, shape: BlockShape, arch: ShakeArch, norm_cfg: dict, **modes: str) -> None:
        super().__init__()
        self.preact = arch.preact
        branches = [make_branch(shape, arch.kernels, norm_cfg) for _ in range(2)]
        self.residual = ShakeSum(branches, **modes)
        self.downsample: nn.Module | None = None
        if shape.in_channels != shape.out_channels:
            ends = (shape.in_channels, shape.out_channels)
            if self.preact:
                self.downsample = ShiftedShortcut(*ends, shape.stride, norm_cfg)
            else:
                conv = nn.Conv2d(*ends, 1, shape.stride, bias=False)
                norm = build_norm(norm_cfg, ends[1])
                self.downsample = nn.Sequential(conv, norm)

    def forward(self, x: Tensor) -> Tensor:
        """The block, (N, C, H, W) -> (N, C', H/s, W/s)."""
        rectified = F.relu(x) if self.preact else x
        shortcut = x if self.downsample is None else self.downsample(rectified)
        out = shortcut + self.residual(rectified)
        return out if self.preact else F.relu(out)


@MODELS.register_module()
class ShakeShake(LayeredBackbone):
    """Shake-Shake network; three stages of stride 1, 2, 4.

    Depth 26 is the network for CIFAR-10 (26 2x96d: ``width=96``), depth 29 the ResNeXt for
    CIFAR-100 (29 2x4x64d: ``width=64, groups=4``), which has no pre-activation. "Shake-Even" is
    ``backward_mode='even'``.

    Args:
        depth: Depth of the network, a key of ``arch_settings``.
        width: Channels of a branch in the first stage, per group.
        groups: Groups of the 3x3 convolutions at depth 29.
        forward_mode, backward_mode: See :class:`ShakeSum`.
        in_channels: Channels of the input image.
        norm_cfg: Normalisation layer.
        **kwargs: ``out_indices``, ``frozen_stages``, ``norm_eval``, ``init_cfg`` of
            :class:`LayeredBackbone`.

    Raises:
        ValueError: An argument is out of its range.
    """

    arch_settings: dict[int, ShakeArch] = {
        26: ShakeArch((3, 3), 4, stem=16, preact=True),
        29: ShakeArch((1, 3, 1), 3, stem=64, preact=False, out_channels=256),
    }

    def __init__(
        self,
        depth: int = 26,
        width: int = 96,
        groups: int = 1,
        forward_mode: str = 'shake',
        backward_mode: str = 'shake',
        in_channels: int = 3,
        norm_cfg: dict = dict(type='BN'),
        **kwargs: Unpack[BackboneOptions],
    ) -> None:
        check_option('depth', depth, sorted(self.arch_settings))
        for name, given in dict(width=width, groups=groups, in_channels=in_channels).items():
            check_integer(name, given)
        arch = self.arch_settings[depth]
        if groups != 1 and not arch.out_channels:
            raise InputError(f'groups={groups} need bottlenecks; allowed at depth {depth}: 1')
        modes = dict(forward_mode=forward_mode, backward_mode=backward_mode)
        stem = [
            nn.Conv2d(in_channels, arch.stem, 3, padding=1, bias=False),
            build_norm(norm_cfg, arch.stem),
        ]
        if not arch.preact:
            stem.append(nn.ReLU(inplace=True))
        channels, layers = arch.stem, []
        for i in range(3):
            inner = width * groups * 2**i
            outer = arch.out_channels * 2**i or inner
            blocks = []
            for stride in [1 if i == 0 else 2] + [1] * (arch.num_blocks - 1):
                shape = BlockShape(channels, inner, outer, stride, groups)
                blocks.append(ShakeBlock(shape, arch, norm_cfg, **modes))
                channels = outer
            layers.append(blocks)
        final = nn.ReLU() if arch.preact else None
        super().__init__(nn.Sequential(*stem), layers, final, **kwargs)
