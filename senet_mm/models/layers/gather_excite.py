"""Gather-Excite (Hu et al., arXiv:1810.12348)."""

import torch.nn.functional as F
from torch import Tensor, nn

from senet_mm.registry import MODELS

from .base import RecalibrationLayer


def depthwise(channels: int, kernel_size: int, stride: int, padding: int) -> list[nn.Module]:
    """A depthwise convolution and its batch norm."""
    conv = nn.Conv2d(channels, channels, kernel_size, stride, padding, groups=channels, bias=False)
    return [conv, nn.BatchNorm2d(channels)]


def average_gather(extent: int) -> nn.Module:
    """Average pooling over windows of ``2 * extent - 1`` at every ``extent`` (section 3.1)."""
    if extent == 0:
        return nn.AdaptiveAvgPool2d(1)
    return nn.AvgPool2d(2 * extent - 1, extent, padding=extent - 1, count_include_pad=False)


def learned_gather(channels: int, extent: int, size: int) -> nn.Module:
    """Depthwise convolutions of stride 2 down to the extent, or one over the map (section 3.2)."""
    if extent == 0:
        return nn.Sequential(nn.AdaptiveAvgPool2d(size), *depthwise(channels, size, 1, 0))
    layers = []
    for _ in range(extent.bit_length() - 1):
        layers += [*depthwise(channels, 3, 2, 1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


@MODELS.register_module()
class GatherExciteLayer(RecalibrationLayer):
    """Gather-Excite: ``x * sigmoid(upsample(gather(x)))``, without parameters or with (GE-theta).

    Args:
        channels: Number of input (and output) channels, C.
        extent: Side of what one gathered value stands for, a power of two; 0 is the whole map.
        parameters: Gather with depthwise convolutions and batch norms instead of averages.
        size: Side of the map that the learned gather over the whole map sees. A map of another
            size is averaged to it first, so that the layer takes images of any size; the paper's
            kernel is as large as the map (7 in the last stage at 224 pixels).
        init_cfg: Initialisation of the layer.

    Raises:
        ValueError: The extent is not 0 or a power of two from 2.
    """

    def __init__(
        self,
        channels: int,
        extent: int = 0,
        parameters: bool = False,
        size: int = 7,
        init_cfg: dict | None = dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
    ) -> None:
        super().__init__(init_cfg)
        if extent < 0 or extent == 1 or extent & (extent - 1):
            raise ValueError(f'extent={extent} is not known; allowed: 0, 2, 4, 8, ...')
        if parameters:
            self.gather = learned_gather(channels, extent, size)
        else:
            self.gather = average_gather(extent)
        self.gate = nn.Sigmoid()

    def scale(self, x: Tensor) -> Tensor:
        """The gate of (N, C, H, W): the same shape; (N, C, 1, 1) over the whole map."""
        gathered = self.gather(x)
        if gathered.shape[2:] != (1, 1):
            gathered = F.interpolate(gathered, x.shape[2:], mode='nearest')
        return self.gate(gathered)
