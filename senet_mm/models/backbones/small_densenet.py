"""DenseNets for small images (Huang et al., arXiv:1608.06993, section 4.2)."""

from typing import Unpack

import torch
from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_integer, check_option, check_rate, is_integer, is_number

from .layered import BackboneOptions, LayeredBackbone
from .preact_resnet import norm_relu

BOTTLENECK = 4  # width of the 1x1 convolution of a bottleneck, in growth rates


class SmallDenseLayer(nn.Module):
    """Norm, ReLU, 3x3; with a bottleneck a norm, ReLU, 1x1 before them. Makes the new channels.

    Args:
        in_channels: Channels of the input.
        growth_rate: Channels of the output.
        bottleneck: Whether it has the 1x1.
        dropout: Probability of dropping a value of the output.
        norm_cfg: Normalisation layer.
    """

    def __init__(
        self, in_channels: int, growth_rate: int, bottleneck: bool, dropout: float, norm_cfg: dict
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for kernel in (1, 3) if bottleneck else (3,):
            width = BOTTLENECK * growth_rate if kernel == 1 else growth_rate
            layers.append(norm_relu(in_channels, norm_cfg))
            layers.append(nn.Conv2d(in_channels, width, kernel, padding=kernel // 2, bias=False))
            in_channels = width
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """The new channels of a map, (N, C, H, W) -> (N, k, H, W)."""
        return self.dropout(self.layers(x))


class SmallDenseBlock(nn.Module):
    """Layers that each see the block's input and what all layers before them have made.

    Args:
        in_channels: Channels of the input.
        num_layers: Number of layers.
        growth_rate: Channels that each layer adds.
        bottleneck, dropout, norm_cfg: See :class:`SmallDenseLayer`.
    """

    def __init__(
        self,
        in_channels: int,
        num_layers: int,
        growth_rate: int,
        bottleneck: bool,
        dropout: float,
        norm_cfg: dict,
    ) -> None:
        super().__init__()
        self.out_channels = in_channels + num_layers * growth_rate
        self.layers = nn.ModuleList(
            SmallDenseLayer(channels, growth_rate, bottleneck, dropout, norm_cfg)
            for channels in range(in_channels, self.out_channels, growth_rate)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The block, (N, C, H, W) -> (N, C', H, W)."""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class SmallTransition(nn.Module):
    """Norm, ReLU, 1x1, and the average of 2x2 pixels.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        dropout: Probability of dropping a value after the convolution.
        norm_cfg: Normalisation layer.
    """

    def __init__(self, in_channels: int, out_channels: int, dropout: float, norm_cfg: dict) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.preact = norm_relu(in_channels, norm_cfg)
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """The transition, (N, C, H, W) -> (N, C', H/2, W/2)."""
        return self.pool(self.dropout(self.conv(self.preact(x))))


@MODELS.register_module()
class SmallDenseNet(LayeredBackbone):
    """DenseNet for small images: three dense blocks of stride 1, 2, 4.

    A stage is a dense block, after the transition that leads to it. DenseNet-BC is
    ``bottleneck=True, compression=0.5``.

    Args:
        depth: Layers of the network; 4 more than a multiple of 3, of 6 with bottlenecks.
        growth_rate: Channels that each layer adds, k.
        bottleneck: Whether layers have a 1x1 convolution before their 3x3.
        compression: Share of the channels that a transition keeps.
        stem_channels: Channels of the stem; None for the authors' 16, or 2k with bottlenecks.
        dropout: Probability of dropping a value after a convolution (0.2 in the paper's runs
            without augmentation).
        in_channels: Channels of the input image.
        norm_cfg: Normalisation layer.
        **kwargs: ``out_indices``, ``frozen_stages``, ``norm_eval``, ``init_cfg`` of
            :class:`LayeredBackbone`.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        depth: int = 40,
        growth_rate: int = 12,
        bottleneck: bool = False,
        compression: float = 1.0,
        stem_channels: int | None = None,
        dropout: float = 0.0,
        in_channels: int = 3,
        norm_cfg: dict = dict(type='BN'),
        **kwargs: Unpack[BackboneOptions],
    ) -> None:
        check_option('bottleneck', bottleneck, (True, False))
        check_integer('growth_rate', growth_rate)
        check_integer('in_channels', in_channels)
        check_rate('dropout', dropout)
        if stem_channels is not None:
            check_integer('stem_channels', stem_channels)
        num_layers = layers_of_block(depth, bottleneck)
        channels = stem_channels or (2 * growth_rate if bottleneck else 16)
        check_compression(compression, channels)
        stem = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        stages: list[list[nn.Module]] = []
        for _ in range(3):
            blocks: list[nn.Module] = []
            if stages:
                kept = int(channels * compression)
                blocks.append(SmallTransition(channels, kept, dropout, norm_cfg))
                channels = kept
            block = SmallDenseBlock(
                channels, num_layers, growth_rate, bottleneck, dropout, norm_cfg
            )
            blocks.append(block)
            channels = block.out_channels
            stages.append(blocks)
        super().__init__(stem, stages, norm_relu(channels, norm_cfg), **kwargs)


def layers_of_block(depth: int, bottleneck: bool) -> int:
    """Layers of each of the three dense blocks of a network."""
    convs = 2 if bottleneck else 1
    if not is_integer(depth) or depth < 4 + 3 * convs or (depth - 4) % (3 * convs):
        raise InputError(
            f'depth={depth!r} with bottleneck={bottleneck}; allowed: 4 more than a multiple of '
            f'{3 * convs}, such as 40 and 100'
        )
    return (depth - 4) // (3 * convs)


def check_compression(compression: float, channels: int) -> None:
    """Raise an InputError unless a transition keeps a channel at least, and no more than all."""
    if not is_number(compression, 1 / channels) or compression > 1:
        raise InputError(f'compression={compression!r}; allowed: from {1 / channels:.3g} to 1')
