"""Channels of images: their order, their number."""

import cv2
import numpy as np


def with_channels(img: np.ndarray) -> np.ndarray:
    """The image as (H, W, C); OpenCV and mmcv give grey ones as (H, W)."""
    return img if img.ndim == 3 else img[..., None]


def swap_red_and_blue(img: np.ndarray) -> np.ndarray:
    """RGB of BGR, BGR of RGB: a contiguous copy of (H, W, 3)."""
    return np.ascontiguousarray(img[..., ::-1])


def to_grey(img: np.ndarray) -> np.ndarray:
    """The luma, uint8 (H, W, 1), of a BGR image, uint8 (H, W, 3)."""
    return cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)[..., None]
