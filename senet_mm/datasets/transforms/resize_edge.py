"""Resize of an image by one of its edges."""

import numpy as np
from mmpretrain.datasets.transforms import ResizeEdge as _ResizeEdge

from senet_mm.registry import TRANSFORMS

from .channels import with_channels

# Longer side / shorter side. No photograph is as long; a picture of 10,000 x 1 pixels would become
# 2.6 million pixels long, in 22 s and 2.8 GB.
LONGEST = 16


@TRANSFORMS.register_module()
class ResizeEdge(_ResizeEdge):
    """mmpretrain's ``ResizeEdge``; of an image longer than 16 to 1 the ends are cut off first.

    The centre crop that follows in evaluations takes far less than that: its place differs by at
    most half a pixel. All other images are resized as by mmpretrain.

    Required and modified key: ``img``, uint8 (H, W, C). See mmpretrain for the rest.
    """

    def transform(self, results: dict) -> dict:
        """Resize ``results['img']``."""
        img = cut_ends(results['img'])
        # Pillow takes grey images as (H, W) alone.
        results['img'] = img[..., 0] if img.shape[2:] == (1,) else img
        results = super().transform(results)
        results['img'] = with_channels(results['img'])
        return results


def cut_ends(img: np.ndarray) -> np.ndarray:
    """The centre of an image that is longer than 16 to 1; any other as it is."""
    longest = LONGEST * min(img.shape[:2])
    top, left = ((side - min(side, longest)) // 2 for side in img.shape[:2])
    return img[top : top + longest, left : left + longest]
