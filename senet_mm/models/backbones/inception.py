"""Inception-v4 and Inception-ResNet-v2 (Szegedy et al., arXiv:1602.07261), built from data."""

from typing import Unpack

import torch
from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_integer

from .inception_data import INCEPTION_RESNET_V2, INCEPTION_V4, Chain, Conv, Mixed, Residual, Step
from .layered import BackboneOptions, LayeredBackbone, conv_bn

POOLS = {
    'avg': lambda: nn.AvgPool2d(3, 1, padding=1, count_include_pad=False),
    'max': lambda: nn.MaxPool2d(3, 2),
}


class Branches(nn.Module):
    """Branches that see the same input (N, C, H, W), concatenated: (N, C', H', W').

    Args:
        in_channels: Channels of the input.
        branches: The branches, as data.
        norm_cfg: Normalisation layer.
    """

    def __init__(self, in_channels: int, branches: list[Chain | Step], norm_cfg: dict) -> None:
        super().__init__()
        chains = [(b,) if isinstance(b, Conv | str | list) else b for b in branches]
        made = [make_chain(in_channels, chain, norm_cfg) for chain in chains]
        self.branches = nn.ModuleList(branch for branch, _ in made)
        self.out_channels = sum(channels for _, channels in made)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def make_chain(in_channels: int, chain: Chain, norm_cfg: dict) -> tuple[nn.Sequential, int]:
    """The module of a chain, and its number of output channels."""
    modules: list[nn.Module] = []
    for step in chain:
        if isinstance(step, Conv):
            padding = 0 if step.valid or step.stride > 1 else None
            modules.append(
                conv_bn(in_channels, step.width, step.kernel, norm_cfg, step.stride, padding)
            )
            in_channels = step.width
        elif isinstance(step, list):
            branches = Branches(in_channels, step, norm_cfg)
            modules.append(branches)
            in_channels = branches.out_channels
        else:
            modules.append(POOLS[step]())
    return nn.Sequential(*modules), in_channels


class InceptionBlock(Branches):
    """An Inception module (or a reduction, which strides): the concatenation of its branches."""


class InceptionResidual(nn.Module):
    """The residual of an Inception-ResNet module: ``scale * conv(branches(x))``.

    Args:
        channels: Channels of the input and of the output.
        row: The module as data.
        norm_cfg: Normalisation layer of the branches; the 1x1 after them has a bias instead.
    """

    def __init__(self, channels: int, row: Residual, norm_cfg: dict) -> None:
        super().__init__()
        self.branches = Branches(channels, row.branches, norm_cfg)
        self.conv = nn.Conv2d(self.branches.out_channels, channels, 1)
        self.scale = row.scale

    def forward(self, x: Tensor) -> Tensor:
        """The residual of (N, C, H, W), of the same shape."""
        return self.scale * self.conv(self.branches(x))


class InceptionResNetBlock(nn.Module):
    """An Inception-ResNet module: ``relu(x + residual(x))``.

    Args:
        channels: Channels of the input and of the output.
        row: The module as data.
        norm_cfg: Normalisation layer.
    """

    def __init__(self, channels: int, row: Residual, norm_cfg: dict) -> None:
        super().__init__()
        self.out_channels = channels
        self.residual = InceptionResidual(channels, row, norm_cfg)
        self.act = nn.ReLU() if row.relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """The module, (N, C, H, W) -> (N, C, H, W)."""
        return self.act(x + self.residual(x))


def make_block(
    in_channels: int, row: Mixed | Residual, norm_cfg: dict
) -> InceptionBlock | InceptionResNetBlock:
    """The module of a row."""
    if isinstance(row, Residual):
        return InceptionResNetBlock(in_channels, row, norm_cfg)
    return InceptionBlock(in_channels, row.branches, norm_cfg)


@MODELS.register_module()
class InceptionV4(LayeredBackbone):
    """Inception-v4 for images of 299 pixels; stages of stride 8, 16, 32 (384, 1024, 1536 channels).

    Args:
        in_channels: Channels of the input image.
        norm_cfg: Normalisation layer.
        **kwargs: ``out_indices``, ``frozen_stages``, ``norm_eval``, ``init_cfg`` of
            :class:`LayeredBackbone`.

    Raises:
        ValueError: A stage does not exist, or an image is too small.
    """

    net = INCEPTION_V4

    def __init__(
        self,
        in_channels: int = 3,
        norm_cfg: dict = dict(type='BN', eps=1e-3),
        **kwargs: Unpack[BackboneOptions],
    ) -> None:
        check_integer('in_channels', in_channels)
        stem, channels = make_chain(in_channels, self.net.stem, norm_cfg)
        layers = []
        for rows in self.net.stages:
            blocks = []
            for row in rows:
                blocks.append(make_block(channels, row, norm_cfg))
                channels = blocks[-1].out_channels
            layers.append(blocks)
        final = make_chain(channels, self.net.final, norm_cfg)[0] if self.net.final else None
        super().__init__(stem, layers, final, **kwargs)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of the stages in ``out_indices`` for an image (N, C, H, W)."""
        if min(x.shape[2:]) < 75:
            raise InputError(f'the image is {tuple(x.shape[2:])}; allowed: sides from 75')
        return super().forward(x)


@MODELS.register_module()
class InceptionResNetV2(InceptionV4):
    """Inception-ResNet-v2 for images of 299 pixels; stages of 320, 1088 and 1536 channels.

    Arguments as :class:`InceptionV4`.
    """

    net = INCEPTION_RESNET_V2
