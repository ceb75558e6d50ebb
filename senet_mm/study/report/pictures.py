"""Pictures that a network took for another class, as small as a page needs them."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from senet_mm.datasets.images.colours import swap_red_and_blue, to_visible
from senet_mm.datasets.images.jpeg import encode_jpeg
from senet_mm.datasets.images.resizing import resize_channels
from senet_mm.engine.weights.preprocessing import is_decoded

if TYPE_CHECKING:
    from senet_mm.models import ImageClassifier

# Longer side of a picture in pixels.
SIDE = 112
QUALITY = 85


class Picture(NamedTuple):
    """A picture as the network saw it.

    Attributes:
        jpeg: The picture.
        label: Its class.
        prediction: What it was taken for.
        label_score, prediction_score: Scores of both, from 0 to 1.
        path: Its file, where it has one.
    """

    jpeg: bytes
    label: int
    prediction: int
    label_score: float
    prediction_score: float
    path: str | None


def to_picture(model: 'ImageClassifier', image: Tensor, *fields: object) -> Picture:
    """A picture of an input (C, H, W) of the preprocessor of a network."""
    small = _shrink(to_visible(_stretch(image).permute(1, 2, 0).numpy(), is_decoded(model.cfg)))
    bgr = swap_red_and_blue(np.broadcast_to(small, (*small.shape[:2], 3)))
    return Picture(encode_jpeg(bgr, QUALITY), *fields)  # type: ignore[arg-type]


def _stretch(image: Tensor) -> Tensor:
    """Numbers of any range as numbers from 0 to 255; uint8 stays."""
    if image.dtype == torch.uint8:
        return image
    low, high = image.float().aminmax()
    return (image.float() - low) / (high - low).clamp(min=1e-12) * 255


def _shrink(img: np.ndarray) -> np.ndarray:
    """A picture (H, W, C) whose longer side is ``SIDE``."""
    factor = SIDE / max(img.shape[:2])
    height, width = (max(1, round(side * factor)) for side in img.shape[:2])
    return resize_channels(img, (height, width), 'box' if factor < 1 else 'nearest')
