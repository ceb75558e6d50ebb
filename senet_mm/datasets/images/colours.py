"""Channels of images: their order, their number."""

import cv2
import numpy as np


def with_channels(img: np.ndarray) -> np.ndarray:
    """The image as (H, W, C); OpenCV and mmcv give grey ones as (H, W)."""
    return img if img.ndim == 3 else img[..., None]


def swap_red_and_blue(img: np.ndarray) -> np.ndarray:
    """RGB of BGR, BGR of RGB: a contiguous copy of (H, W, 3), or (H, W, 4) with alpha last."""
    swapped = img[..., ::-1] if img.shape[2] == 3 else img[..., [2, 1, 0, 3]]
    return np.ascontiguousarray(swapped)


def to_visible(img: np.ndarray, is_bgr: bool) -> np.ndarray:
    """An image to be looked at: uint8 RGB (H, W, 3), or grey (H, W, 1).

    Args:
        img: Numbers from 0 to 255, (H, W) or (H, W, C). Of four channels three are colours; of
            other numbers than 3 and 4 the first is shown.
        is_bgr: Whether the colours are blue, green and red.
    """
    img = with_channels(np.clip(np.round(img), 0, 255).astype(np.uint8))
    if img.shape[2] not in (3, 4):
        return img[..., :1].copy()
    colours = img[..., :3]
    return swap_red_and_blue(colours) if is_bgr else np.ascontiguousarray(colours)


def to_grey(img: np.ndarray) -> np.ndarray:
    """The luma, (H, W, 1), of a BGR image (H, W, 3) of uint8, uint16 or float32."""
    return cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)[..., None]


def to_float(img: np.ndarray) -> np.ndarray:
    """An image of uint8, uint16 or float32 as float32 from 0 to 255; 257 of 65535 are 1 of 255."""
    if img.dtype == np.uint16:
        return img.astype(np.float32) / np.float32(257)
    return img.astype(np.float32)
