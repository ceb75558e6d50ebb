"""A small plain network for digits and CIFAR, for first steps and fast experiments."""

from collections.abc import Sequence
from typing import Unpack

from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.options import check_integer, check_integers

from .layered import BackboneOptions, LayeredBackbone, conv_bn


class ConvBlock(nn.Module):
    """A 3x3 convolution, its norm and a ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride of the convolution.
        norm_cfg: Normalisation layer.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, norm_cfg: dict) -> None:
        super().__init__()
        self.conv = conv_bn(in_channels, out_channels, 3, norm_cfg, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block, (N, C, H, W) -> (N, C', ceil(H/s), ceil(W/s))."""
        return self.conv(x)


@MODELS.register_module()
class SmallCNN(LayeredBackbone):
    """Stages of 3x3 convolutions; every stage but the first halves the map.

    Args:
        widths: Channels of the stages.
        num_blocks: Convolutions of a stage.
        in_channels: Channels of the input image.
        norm_cfg: Normalisation layer.
        **kwargs: ``out_indices``, ``frozen_stages``, ``norm_eval``, ``init_cfg`` of
            :class:`LayeredBackbone`.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64),
        num_blocks: int = 2,
        in_channels: int = 3,
        norm_cfg: dict = dict(type='BN'),
        **kwargs: Unpack[BackboneOptions],
    ) -> None:
        check_integers('widths', widths)
        check_integer('num_blocks', num_blocks)
        check_integer('in_channels', in_channels)
        stem = conv_bn(in_channels, widths[0], 3, norm_cfg)
        channels, layers = widths[0], []
        for i, width in enumerate(widths):
            strides = [1 if i == 0 else 2] + [1] * (num_blocks - 1)
            blocks = []
            for stride in strides:
                blocks.append(ConvBlock(channels, width, stride, norm_cfg))
                channels = width
            layers.append(blocks)
        super().__init__(stem, layers, **kwargs)
