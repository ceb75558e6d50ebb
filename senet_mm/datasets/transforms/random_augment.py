"""Mirror, rotation and jitter: drawn here, done here or on the device."""

from collections.abc import Sequence

import torch
from mmcv.transforms import BaseTransform

from senet_mm.datasets.images.augmentation import (
    MAX_JITTER,
    NOISE_SHAPES,
    Augmentation,
    augment,
    draw_numbers,
)
from senet_mm.datasets.images.colours import with_channels
from senet_mm.registry import TRANSFORMS
from senet_mm.utils.names import counted
from senet_mm.utils.options import check_option

# Mean of ImageNet, BGR.
IMAGENET = (104, 117, 123)


@TRANSFORMS.register_module()
class RandomAugment(BaseTransform):
    """Draw mirror, rotation and pixel jitter, in this order.

    With ``on='device'`` the numbers travel with the image (key ``augment``), and
    ``BatchPreprocessor`` changes whole batches on the device; with ``on='cpu'`` the image is
    changed here. The pictures are the same, except for the rounding of the interpolation.

    Source: the README of the released networks (rotation +-10 degrees, pixel jitter +-20).

    Required and modified key: ``img``, uint8 (H, W, C).

    Args:
        mirror: Probability of exchanging left and right.
        angle: Largest angle in degrees; uniform from minus this to this.
        jitter: Largest absolute value of the noise, in grey levels; uniform over the integers.
        per: What shares one value of the noise: ``pixel`` (independent per pixel and channel),
            ``channel`` or ``image``.
        fill: What lies outside of the image: a grey level per channel, in the image's order. None
            is ImageNet's mean, for other images than colours the mean of its three.
        on: ``device``, ``cpu``, or ``auto``: on the device where there is a GPU.
    """

    def __init__(
        self,
        mirror: float = 0.5,
        angle: float = 0,
        jitter: int = 0,
        per: str = 'pixel',
        fill: Sequence[float] | None = None,
        on: str = 'auto',
    ) -> None:
        check_option('jitter', jitter, range(MAX_JITTER + 1))
        check_option('per', per, NOISE_SHAPES)
        check_option('on', on, ('auto', 'device', 'cpu'))
        if not 0 <= mirror <= 1 or not 0 <= angle <= 180:
            raise ValueError(
                f'mirror={mirror} angle={angle}: allowed: a probability, and 0 to 180 degrees'
            )
        self.mirror = mirror
        self.augmentation = Augmentation(
            angle, jitter, per, tuple(IMAGENET if fill is None else fill)
        )
        self.has_fill = fill is not None
        self.on_device = on == 'device' or (on == 'auto' and torch.cuda.is_available())

    def transform(self, results: dict) -> dict:
        """Draw; change ``results['img']`` or add ``results['augment']``."""
        img = results['img'] = with_channels(results['img'])
        augmentation = self.get_augmentation(img.shape[2])
        numbers = draw_numbers(self.mirror, augmentation.angle)
        if self.on_device:
            results['augment'] = (augmentation, numbers)
        else:
            results['img'] = augment(img, numbers, augmentation)
        return results

    def get_augmentation(self, channels: int) -> Augmentation:
        """The recipe for images of a number of channels."""
        fill = self.augmentation.fill
        if len(fill) == channels or not self.augmentation.angle:
            return self.augmentation
        if self.has_fill:
            raise ValueError(
                f'fill={fill} for images of {counted(channels, "channel")}; allowed: a value '
                'per channel'
            )
        return self.augmentation._replace(fill=(round(sum(fill) / len(fill)),) * channels)

    def __repr__(self) -> str:
        where = 'device' if self.on_device else 'cpu'
        return f'{type(self).__name__}(mirror={self.mirror}, {self.augmentation}, on={where!r})'
