"""Images of one channel."""

import numpy as np


def with_channels(img: np.ndarray) -> np.ndarray:
    """The image as (H, W, C); cv2 and mmcv give grey ones as (H, W)."""
    return img if img.ndim == 3 else img[..., None]
