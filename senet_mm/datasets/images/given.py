"""Images that a program gives: Pillow's, arrays, tensors; as a decoded file."""

import numpy as np
from PIL import Image
from torch import Tensor

from .colours import swap_red_and_blue, to_float, to_grey, with_channels
from .decoding import image_to_array

ALLOWED = (
    'allowed: a path, an image of Pillow, an RGB array uint8 (H, W, 3) or a grey one (H, W), '
    'tensors uint8 (C, H, W), lists and batches of these'
)


def split(images: object) -> list:
    """Given images as a list: what holds several is taken apart.

    Args:
        images: One image, a list or tuple of images, an array (N, H, W, C) or a tensor
            (N, C, H, W).
    """
    if isinstance(images, list | tuple):
        return [image for each in images for image in split(each)]
    if isinstance(images, np.ndarray | Tensor) and images.ndim == 4:
        return list(images)
    return [images]


def to_array(image: object, bits: int = 8) -> np.ndarray:
    """An image as a file is decoded with ``unchanged``: uint8 (H, W, C), grey, BGR, BGR and alpha.

    Args:
        image: Of Pillow; an array, RGB, (H, W, C) or grey (H, W); a tensor, RGB, (C, H, W) or grey
            (H, W); arrays and tensors of uint8.
        bits: 16 takes uint16 too, and gives that, or float32 from 0 to 255 of an image of Pillow.

    Raises:
        ValueError: It is none of these.
    """
    if isinstance(image, Image.Image):
        try:
            array = image_to_array(image, 'unchanged', bits)
        except (OSError, ValueError) as error:
            raise ValueError(f'an image of Pillow cannot be used ({error})') from error
    elif isinstance(image, np.ndarray):
        array = image
    elif isinstance(image, Tensor):
        array = image.detach().cpu().numpy()
        array = array.transpose(1, 2, 0) if array.ndim == 3 else array
    else:
        raise ValueError(f'an image of type {type(image).__name__}; {ALLOWED}')
    is_known = isinstance(image, Image.Image) or array.dtype in (np.uint8, f'uint{bits}')
    if not is_known or array.ndim not in (2, 3) or not array.size:
        shape = tuple(array.shape)
        raise ValueError(f'an image of {array.dtype} {shape}; {ALLOWED}')
    array = with_channels(array)
    if array.shape[2] not in (1, 3, 4):
        raise ValueError(f'an image of {array.shape[2]} channels, {array.shape}; {ALLOWED}')
    return np.array(array, order='C') if array.shape[2] == 1 else swap_red_and_blue(array)


def convert_decoded(img: np.ndarray, color_type: str, bits: int) -> np.ndarray:
    """An image (H, W, C), grey, BGR or BGR and alpha, as :func:`.decode` gives it."""
    if color_type == 'grayscale' and img.shape[2] > 1:
        img = to_grey(np.ascontiguousarray(img[..., :3]))
    elif color_type == 'color' and img.shape[2] != 3:
        img = np.repeat(img, 3, axis=2) if img.shape[2] == 1 else img[..., :3]
    return to_float(img) if bits == 16 else img
