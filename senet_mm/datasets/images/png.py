"""PNG files."""

import io

import numpy as np
from PIL import Image


def encode_png(image: np.ndarray) -> bytes:
    """The file of an image, uint8 RGB (H, W, 3) or grey (H, W, 1)."""
    file = io.BytesIO()
    Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(file, 'png')
    return file.getvalue()
