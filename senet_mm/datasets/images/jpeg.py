"""JPEGs: which ones decode fast, and how they are written."""

from io import BytesIO
from os import PathLike

import cv2
import numpy as np

from .decoding import decode
from .kinds import JPEG, has_16_bits, open_by_pillow
from .reading import read_file
from .resizing import resize

# libjpeg's limit, pixels.
LONGEST = 65500


def is_baseline(data: bytes) -> bool:
    """Whether the data are a JPEG that decodes fast: baseline, grey or three channels."""
    if not data.startswith(JPEG):
        return False
    with open_by_pillow(BytesIO(data)) as image:
        return image.mode in ('L', 'RGB') and not image.info.get('progressive')


def transcode(path: str | PathLike, short_side: int | None = None, quality: int = 90) -> bytes:
    """A baseline JPEG of an image: the file's own bytes where they are one and stay as large.

    Args:
        path: The image.
        short_side: What a longer short side becomes, in pixels.
        quality: Quality where a JPEG is written.

    Raises:
        ValueError: The image is damaged or too long for a JPEG; the message is the reason.
    """
    data = read_file(path)
    img = decode(data)
    height, width = img.shape[:2]
    scale = 1 if short_side is None else short_side / min(height, width)
    if scale < 1:
        img = resize(img, (round(height * scale), round(width * scale)))
    elif is_baseline(data):
        return data
    if max(img.shape) > LONGEST:
        raise ValueError(
            f'{img.shape[1]} x {img.shape[0]} pixels; a JPEG holds at most {LONGEST} a side'
        )
    return encode_jpeg(img, quality)


def read_whole(path: str | PathLike) -> bytes:
    """The bytes of an image file that can be decoded.

    Raises:
        ValueError: The image is damaged; the message is the reason.
    """
    data = read_file(path)
    decode(data)
    return data


def loses_samples(path: str | PathLike) -> bool:
    """Whether an image has 16 bits a sample or alpha, which a JPEG has not."""
    with open(path, 'rb') as file:
        if file.read(len(JPEG)) == JPEG:
            return False
    data = read_file(path)
    try:
        with open_by_pillow(BytesIO(data)) as image:
            return has_16_bits(data) or image.has_transparency_data
    except Exception:  # cv2 reads kinds that Pillow does not
        return has_16_bits(data)


def encode_jpeg(img: np.ndarray, quality: int) -> bytes:
    """A baseline JPEG of uint8 BGR (H, W, 3), quality from 0 to 100."""
    done, jpeg = cv2.imencode('.jpg', img, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return jpeg.tobytes()
