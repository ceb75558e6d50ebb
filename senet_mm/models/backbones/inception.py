"""Inception-v4 and Inception-ResNet-v2 (Szegedy et al., arXiv:1602.07261), built from data."""

from collections import OrderedDict
from typing import NamedTuple, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_config, check_integer, check_option

from .inception_data import INCEPTION_RESNET_V2, INCEPTION_V4, Chain, Conv, Mixed, Residual, Step
from .inception_taki0112 import TAKI_INCEPTION_RESNET_V2, TAKI_INCEPTION_V4
from .layered import BackboneOptions, LayeredBackbone, conv_bn
from .preact_resnet import norm_relu

POOLS = {
    'avg': lambda: nn.AvgPool2d(3, 1, padding=1, count_include_pad=False),
    'max': lambda: nn.MaxPool2d(3, 2),
}


class Norms(NamedTuple):
    """Where a network has its norms.

    Attributes:
        conv: Normalisation layer of every convolution; None for a bias in each.
        last: Normalisation layer at the end of every module, with its ReLU; None for nothing there.
    """

    conv: dict | None
    last: dict | None

    def make_last(self, channels: int) -> nn.Module:
        """What a module ends with."""
        return nn.Identity() if self.last is None else norm_relu(channels, self.last)


class Branches(nn.Module):
    """Branches that see the same input (N, C, H, W), concatenated: (N, C', H', W').

    Args:
        in_channels: Channels of the input.
        branches: The branches, as data.
        norm_cfg: Normalisation layer of the convolutions; None for a bias in each.
    """

    def __init__(
        self, in_channels: int, branches: list[Chain | Step], norm_cfg: dict | None
    ) -> None:
        super().__init__()
        chains = [(b,) if isinstance(b, Conv | str | list) else b for b in branches]
        made = [make_chain(in_channels, chain, norm_cfg) for chain in chains]
        self.branches = nn.ModuleList(branch for branch, _ in made)
        self.out_channels = sum(channels for _, channels in made)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def make_conv(in_channels: int, step: Conv, norm_cfg: dict | None) -> nn.Sequential:
    """A convolution and its ReLU, with a norm between them or, if it is None, with a bias."""
    padding = 0 if step.valid or step.stride > 1 else None
    if norm_cfg is not None:
        return conv_bn(in_channels, step.width, step.kernel, norm_cfg, step.stride, padding)
    sides = step.kernel if isinstance(step.kernel, tuple) else (step.kernel,) * 2
    halves = (sides[0] // 2, sides[1] // 2) if padding is None else (0, 0)
    conv = nn.Conv2d(in_channels, step.width, sides, step.stride, halves)
    return nn.Sequential(OrderedDict(conv=conv, act=nn.ReLU(inplace=True)))


def make_chain(in_channels: int, chain: Chain, norm_cfg: dict | None) -> tuple[nn.Sequential, int]:
    """The module of a chain, and its number of output channels."""
    modules: list[nn.Module] = []
    for step in chain:
        if isinstance(step, Conv):
            modules.append(make_conv(in_channels, step, norm_cfg))
            in_channels = step.width
        elif isinstance(step, list):
            branches = Branches(in_channels, step, norm_cfg)
            modules.append(branches)
            in_channels = branches.out_channels
        else:
            modules.append(POOLS[step]())
    return nn.Sequential(*modules), in_channels


class InceptionBlock(Branches):
    """An Inception module (or a reduction, which strides): the concatenation of its branches.

    Args:
        in_channels: Channels of the input.
        branches: The branches, as data.
        norms: Normalisation layers.
    """

    def __init__(self, in_channels: int, branches: list[Chain | Step], norms: Norms) -> None:
        super().__init__(in_channels, branches, norms.conv)
        self.norm = norms.make_last(self.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """The module, (N, C, H, W) -> (N, C', H', W')."""
        return self.norm(super().forward(x))


class InceptionResidual(nn.Module):
    """The residual of an Inception-ResNet module: ``scale * conv(branches(x))``.

    Args:
        channels: Channels of the input and of the output.
        row: The module as data.
        norm_cfg: Normalisation layer of the branches; the 1x1 after them has a bias instead.
    """

    def __init__(self, channels: int, row: Residual, norm_cfg: dict | None) -> None:
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
        norms: Normalisation layers.
    """

    def __init__(self, channels: int, row: Residual, norms: Norms) -> None:
        super().__init__()
        self.out_channels = channels
        self.residual = InceptionResidual(channels, row, norms.conv)
        self.norm = norms.make_last(channels)
        self.act = nn.ReLU() if row.relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """The module, (N, C, H, W) -> (N, C, H, W)."""
        return self.act(self.norm(x + self.residual(x)))


def make_block(
    in_channels: int, row: Mixed | Residual, norms: Norms
) -> InceptionBlock | InceptionResNetBlock:
    """The module of a row."""
    if isinstance(row, Residual):
        return InceptionResNetBlock(in_channels, row, norms)
    return InceptionBlock(in_channels, row.branches, norms)


@MODELS.register_module()
class InceptionV4(LayeredBackbone):
    """Inception-v4 for images of 299 pixels; stages of stride 8, 16, 32 (384, 1024, 1536 channels).

    Args:
        in_channels: Channels of the input image.
        norm_cfg: Normalisation layer.
        variant: ``tensorflow``, the released network, or ``taki0112``, that of
            taki0112/SENet-Tensorflow (see :mod:`.inception_taki0112`).
        image_padding: Zeros on each side of the image, pixels; 32 makes 96 of the 32 of CIFAR.
        **kwargs: ``out_indices``, ``frozen_stages``, ``norm_eval``, ``init_cfg`` of
            :class:`LayeredBackbone`.

    Raises:
        ValueError: A stage does not exist, or an image is too small.
    """

    nets = dict(tensorflow=INCEPTION_V4, taki0112=TAKI_INCEPTION_V4)

    def __init__(
        self,
        in_channels: int = 3,
        norm_cfg: dict = dict(type='BN', eps=1e-3),
        variant: str = 'tensorflow',
        image_padding: int = 0,
        **kwargs: Unpack[BackboneOptions],
    ) -> None:
        check_integer('in_channels', in_channels)
        check_config('norm_cfg', norm_cfg)
        check_option('variant', variant, self.nets)
        check_integer('image_padding', image_padding, 0)
        net = self.nets[variant]
        norms = Norms(None, norm_cfg) if net.module_norm else Norms(norm_cfg, None)
        stem, channels = make_chain(in_channels, net.stem, norms.conv)
        if net.module_norm:
            stem.append(norm_relu(channels, norm_cfg))
        layers = []
        for rows in net.stages:
            blocks = []
            for row in rows:
                blocks.append(make_block(channels, row, norms))
                channels = blocks[-1].out_channels
            layers.append(blocks)
        final = make_chain(channels, net.final, norms.conv)[0] if net.final else None
        super().__init__(stem, layers, final, **kwargs)
        self.image_padding = image_padding

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of the stages in ``out_indices`` for an image (N, C, H, W)."""
        if self.image_padding:
            x = F.pad(x, (self.image_padding,) * 4)
        if min(x.shape[2:]) < 75:
            padded = ' with its padding' if self.image_padding else ''
            raise InputError(f'the image is {tuple(x.shape[2:])}{padded}; allowed: sides from 75')
        return super().forward(x)


@MODELS.register_module()
class InceptionResNetV2(InceptionV4):
    """Inception-ResNet-v2 for images of 299 pixels; stages of 320, 1088 and 1536 channels.

    Arguments as :class:`InceptionV4`.
    """

    nets = dict(tensorflow=INCEPTION_RESNET_V2, taki0112=TAKI_INCEPTION_RESNET_V2)
