"""The pixel jitter of the released networks' augmentation."""

import numpy as np
from mmcv.transforms import BaseTransform

from senet_mm.datasets.images.augmentation import NOISE_SHAPES
from senet_mm.datasets.images.colours import with_channels
from senet_mm.registry import TRANSFORMS
from senet_mm.utils.options import check_option


@TRANSFORMS.register_module()
class PixelJitter(BaseTransform):
    """Add uniform noise from -magnitude to magnitude (integers, both included), clip to 0..255.

    Source: the README of the released networks ("pixel jitter +-20"); their author adds an
    independent value to every pixel and channel.

    Required and modified key: ``img``, (H, W, C) of uint8, or float32 from 0 to 255.

    Args:
        magnitude: Largest absolute value of the noise, in grey levels.
        per: What shares one value: ``pixel`` (independent per pixel and channel), ``channel``
            (one value per image and channel) or ``image``.
    """

    def __init__(self, magnitude: int = 20, per: str = 'pixel') -> None:
        check_option('magnitude', magnitude, range(256))
        check_option('per', per, NOISE_SHAPES)
        self.magnitude = magnitude
        self.per = per

    def transform(self, results: dict) -> dict:
        """Jitter ``results['img']``."""
        img = with_channels(results['img'])
        shape = NOISE_SHAPES[self.per](img.shape)
        noise = np.random.randint(-self.magnitude, self.magnitude + 1, shape, dtype=np.int16)
        results['img'] = np.clip(img + noise, 0, 255).astype(img.dtype)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(magnitude={self.magnitude}, per={self.per!r})'
