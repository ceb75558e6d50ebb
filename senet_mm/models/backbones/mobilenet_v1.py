"""MobileNet: depthwise separable convolutions; the thirteen blocks are rows of a table."""

from functools import partial
from typing import Unpack

from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_integer, is_number

from .layered import BackboneOptions, LayeredBackbone, conv_bn

# (channels, stride) of the blocks, by stage (arXiv:1704.04861, table 1).
STAGES: tuple[tuple[tuple[int, int], ...], ...] = (
    ((64, 1),),
    ((128, 2), (128, 1)),
    ((256, 2), (256, 1)),
    ((512, 2),) + ((512, 1),) * 5,
    ((1024, 2), (1024, 1)),
)


class DepthwiseSeparable(nn.Module):
    """A depthwise 3x3 and a pointwise convolution, each with norm and activation (section 3.1).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride of the depthwise convolution.
        norm_cfg: Normalisation layer.
        act_cfg: Activation.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, norm_cfg: dict, act_cfg: dict
    ) -> None:
        super().__init__()
        conv = partial(conv_bn, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.depthwise = conv(in_channels, in_channels, 3, stride=stride, groups=in_channels)
        self.pointwise = conv(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The block, (N, C, H, W) -> (N, C', H/s, W/s)."""
        return self.pointwise(self.depthwise(x))


@MODELS.register_module()
class MobileNetV1(LayeredBackbone):
    """MobileNet (Howard et al., arXiv:1704.04861, table 1); five stages of stride 2 to 32.

    Args:
        widen_factor: Width multiplier alpha of all channels (section 3.3).
        in_channels: Channels of the input image.
        norm_cfg: Normalisation layer.
        act_cfg: Activation; the authors' code has ``ReLU6``.
        **kwargs: ``out_indices``, ``frozen_stages``, ``norm_eval``, ``init_cfg`` of
            :class:`LayeredBackbone`.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        widen_factor: float = 1.0,
        in_channels: int = 3,
        norm_cfg: dict = dict(type='BN'),
        act_cfg: dict = dict(type='ReLU', inplace=True),
        **kwargs: Unpack[BackboneOptions],
    ) -> None:
        check_integer('in_channels', in_channels)
        if not is_number(widen_factor, 1 / 32):
            raise InputError(
                f'widen_factor={widen_factor!r} leaves no channel; allowed: from 1 / 32'
            )
        channels = int(32 * widen_factor)
        stem = conv_bn(in_channels, channels, 3, norm_cfg, stride=2, act_cfg=act_cfg)
        layers = []
        for rows in STAGES:
            blocks = []
            for width, stride in rows:
                width = int(width * widen_factor)
                blocks.append(DepthwiseSeparable(channels, width, stride, norm_cfg, act_cfg))
                channels = width
            layers.append(blocks)
        super().__init__(stem, layers, **kwargs)
