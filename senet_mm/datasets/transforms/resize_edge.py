"""Resize of an image by one of its edges."""

from mmpretrain.datasets.transforms import ResizeEdge as _ResizeEdge

from senet_mm.datasets.images.colours import with_channels
from senet_mm.datasets.images.resizing import cut_ends
from senet_mm.registry import TRANSFORMS


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
