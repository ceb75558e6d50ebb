"""Spatial and concurrent spatial and channel SE (Roy et al., arXiv:1803.02579)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.options import check_option

from .base import RecalibrationLayer

# How the two recalibrated maps are combined: `sum` in arXiv:1803.02579, `max` in arXiv:1808.08127.
COMBINATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    'sum': torch.add,
    'max': torch.maximum,
}


@MODELS.register_module()
class SpatialSELayer(RecalibrationLayer):
    """sSE: ``x * sigmoid(conv(x))``, one gate per position, from a 1x1 convolution (section 2).

    Args:
        channels: Number of input (and output) channels, C.
        bias: Whether the convolution has a bias.
        init_cfg: Initialisation of the layer.
    """

    def __init__(
        self,
        channels: int,
        bias: bool = True,
        init_cfg: dict | None = dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
    ) -> None:
        super().__init__(init_cfg)
        self.conv = nn.Conv2d(channels, 1, 1, bias=bias)
        self.gate = nn.Sigmoid()

    def scale(self, x: Tensor) -> Tensor:
        """The gate of (N, C, H, W): (N, 1, H, W)."""
        return self.gate(self.conv(x))


@MODELS.register_module()
class SCSELayer(RecalibrationLayer):
    """scSE: the combination of an SE layer (cSE) and a spatial one (sSE).

    Args:
        channels: Number of input (and output) channels, C.
        ratio: Reduction ratio of the SE layer, 2 in the paper.
        combination: ``sum`` of the two recalibrated maps, or their element-wise ``max``.
        bias: Whether the convolutions of both parts have a bias.
        init_cfg: Initialisation of the layer; its two parts have their own.

    Raises:
        ValueError: The combination is not known, or the ratio leaves no hidden channel.
    """

    def __init__(
        self,
        channels: int,
        ratio: int = 2,
        combination: str = 'sum',
        bias: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        check_option('combination', combination, COMBINATIONS)
        self.combine = COMBINATIONS[combination]
        self.channel_se = MODELS.build(
            dict(type='SELayer', channels=channels, ratio=ratio, bias=bias)
        )
        self.spatial_se = SpatialSELayer(channels, bias)

    def scale(self, x: Tensor) -> Tensor:
        """The gate (N, C, H, W) of (N, C, H, W); with ``max``, that of the larger product."""
        channel, spatial = self.channel_se.scale(x), self.spatial_se.scale(x)
        if self.combine is torch.add:
            return channel + spatial
        # The larger product has the smaller factor where x is negative.
        return torch.where(x < 0, torch.minimum(channel, spatial), torch.maximum(channel, spatial))

    def forward(self, x: Tensor) -> Tensor:
        """Recalibrate the channels and positions of (N, C, H, W)."""
        return self.combine(self.channel_se(x), self.spatial_se(x))
