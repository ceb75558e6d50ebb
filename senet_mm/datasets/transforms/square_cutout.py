"""Cutout as in its paper (DeVries and Taylor, arXiv:1708.04552, section 3.2)."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from senet_mm.datasets.images.colours import with_channels
from senet_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SquareCutout(BaseTransform):
    """Fill a square whose centre is any pixel of the image; what lies outside is cut off.

    Upstream's ``Cutout`` keeps the square whole at the upper and left borders, so that it hides
    more of the image, and its default acts on every second image.

    Required and modified key: ``img``, uint8 (H, W, C).

    Args:
        side: Side of the square in pixels (16 for CIFAR-10, 8 for CIFAR-100).
        fill: Grey level, or one per channel in the order of the image; the paper's zero after
            standardisation is the mean.

    Raises:
        ValueError: The side is not positive.
    """

    def __init__(self, side: int, fill: float | Sequence[float]) -> None:
        if side < 1:
            raise ValueError(f'side={side} leaves no square; allowed: from 1')
        self.side = side
        self.fill = np.round(fill).astype(np.uint8)

    def transform(self, results: dict) -> dict:
        """Cut a square out of a copy of ``results['img']``."""
        img = with_channels(results['img']).copy()
        top, left = np.random.randint(img.shape[:2]) - self.side // 2
        rows = slice(max(top, 0), max(top + self.side, 0))
        columns = slice(max(left, 0), max(left + self.side, 0))
        img[rows, columns] = self.fill
        results['img'] = img
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(side={self.side}, fill={self.fill.tolist()})'
