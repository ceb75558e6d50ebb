"""Resize of an image by one of its edges."""

import numpy as np
from mmpretrain.datasets.transforms import ResizeEdge as _ResizeEdge

from senet_mm.datasets.images.colours import with_channels
from senet_mm.datasets.images.resizing import cut_ends, resize_channels
from senet_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ResizeEdge(_ResizeEdge):
    """mmpretrain's ``ResizeEdge``; of an image longer than 16 to 1 the ends are cut off first.

    The centre crop that follows in evaluations takes far less than that: its place differs by at
    most half a pixel. All other images are resized as by mmpretrain.

    Required and modified key: ``img``, (H, W, C) of uint8, or float32 from 0 to 255. See
    mmpretrain for the rest.
    """

    def transform(self, results: dict) -> dict:
        """Resize ``results['img']``."""
        img = cut_ends(results['img'])
        # Pillow takes grey images as (H, W) alone.
        results['img'] = img[..., 0] if img.shape[2:] == (1,) else img
        results = super().transform(results)
        results['img'] = with_channels(results['img'])
        return results

    def _resize_img(self, results: dict) -> None:
        """Resize ``results['img']`` to ``results['scale']``, (width, height)."""
        img, (width, height) = results['img'], results['scale']
        if self.backend != 'pillow' or (img.dtype == np.uint8 and img.shape[2:] in ((), (3,))):
            super()._resize_img(results)
            return
        old_height, old_width = img.shape[:2]
        results['img'] = resize_channels(with_channels(img), (height, width), self.interpolation)
        results['img_shape'] = (height, width)
        results['scale_factor'] = (width / old_width, height / old_height)
