"""Refuses images that somebody else decoded otherwise than the network wants them."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from senet_mm.registry import TRANSFORMS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_option


def describe_size(shape: Sequence[int], size: Sequence[int] | None) -> str | None:
    """What is wrong with the height and width of an image that is not resized; None if nothing."""
    if size is None or tuple(shape[:2]) == tuple(size):
        return None
    return (
        f'it has {shape[1]} x {shape[0]} pixels, and the images of the network are not resized; '
        f'allowed: {size[1]} x {size[0]}'
    )


@TRANSFORMS.register_module()
class CheckDecoded(BaseTransform):
    """Refuse a decoded image of other bits, or of another size where the pipeline keeps sizes.

    Required key: ``img``, (H, W, C) or (H, W).

    Args:
        bits: Bits of a sample, 8 or 16. A file of 16 bits that was decoded to 8 cannot be told
            from one of 8, so that 16 takes uint16 alone.
        size: Height and width that an image must have; None for any.

    Raises:
        InputError: An image is refused.
    """

    def __init__(self, bits: int = 8, size: Sequence[int] | None = None) -> None:
        check_option('bits', bits, (8, 16))
        self.dtype, self.size = np.dtype(f'uint{bits}'), size

    def transform(self, results: dict) -> dict:
        """Check ``results['img']``."""
        img = results['img']
        if img.dtype != self.dtype:
            raise InputError(
                f'an image was decoded to {img.dtype}, and the network takes {self.dtype}; '
                f'allowed: arrays of {self.dtype}, or files with senet_mm.Classifier, '
                'tools/predict.py'
            )
        if wrong := describe_size(img.shape, self.size):
            raise InputError(f'an image cannot be used: {wrong}')
        return results
