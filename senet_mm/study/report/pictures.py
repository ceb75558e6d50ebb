"""Pictures that a network took for another class, as small as a page needs them."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from senet_mm.datasets.images.jpeg import encode_jpeg
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
    is_rgb = not is_decoded(model.cfg)
    return Picture(encode_jpeg(to_bgr(image, is_rgb), QUALITY), *fields)  # type: ignore[arg-type]


def to_bgr(image: Tensor, is_rgb: bool) -> np.ndarray:
    """An image as uint8 (H, W, 3) with sides of ``SIDE`` at most; of many channels the first.

    Args:
        image: uint8, or any numbers, (C, H, W).
        is_rgb: Whether its three channels are red, green and blue, and not the other way round.
    """
    channels = image if len(image) == 3 else image[:1].expand(3, -1, -1)
    pixels = channels.flip(0) if is_rgb and len(image) == 3 else channels
    pixels = pixels.float()
    if image.dtype != torch.uint8:
        low, high = pixels.amin(), pixels.amax()
        pixels = (pixels - low) / (high - low).clamp(min=1e-12) * 255
    factor = SIDE / max(pixels.shape[1:])
    sides = [max(1, round(side * factor)) for side in pixels.shape[1:]]
    mode = 'area' if factor < 1 else 'nearest'
    pixels = F.interpolate(pixels[None], sides, mode=mode)[0]
    return pixels.round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()
