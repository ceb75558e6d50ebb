"""Resizing of images, and what must be cut before it."""

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.image.geometric import pillow_interp_codes
from PIL import Image

# Longer side / shorter side. No photograph is as long; a picture of 10,000 x 1 pixels would become
# 2.6 million pixels long, in 22 s and 2.8 GB.
LONGEST = 16


def resize(img: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Antialiased bilinear resize like Pillow's, uint8 or float32 (H, W, C) to (*size, C)."""
    # The fast kernel is for images whose channels lie together and rows without gaps.
    batch = np.ascontiguousarray(img).reshape(1, *img.shape).transpose(0, 3, 1, 2)
    out = F.interpolate(torch.from_numpy(batch), size, mode='bilinear', antialias=True)
    return out.numpy()[0].transpose(1, 2, 0)


def resize_channels(img: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """Pillow's resize of every channel by itself, uint8 or float32 (H, W, C) to (*size, C).

    Of four channels Pillow multiplies three by the last, of float32 it takes one alone.

    Args:
        img: The image.
        size: Height and width, pixels.
        interpolation: ``bilinear``, ``bicubic``, ...
    """
    channels = [
        np.asarray(Image.fromarray(channel).resize(size[::-1], pillow_interp_codes[interpolation]))
        for channel in np.ascontiguousarray(img.transpose(2, 0, 1))
    ]
    return np.clip(np.stack(channels, -1), 0, 255)  # bicubic goes beyond the ends


def cut_ends(img: np.ndarray) -> np.ndarray:
    """The centre of an image (H, W, ...) that is longer than 16 to 1; any other unchanged."""
    longest = LONGEST * min(img.shape[:2])
    top, left = ((side - min(side, longest)) // 2 for side in img.shape[:2])
    return img[top : top + longest, left : left + longest]
