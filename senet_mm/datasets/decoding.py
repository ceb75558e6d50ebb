"""Decoding of images: what every kind of file becomes.

cv2 decodes; what it cannot is given to Pillow. Either way the result is uint8 BGR. Orientation of
EXIF is ignored, as torchvision does. Grey levels are repeated, palettes looked up, alpha dropped,
16 bits cut to 8, CMYK converted; the name's extension does not matter.
"""

import io
import os
from functools import cache
from os import PathLike

import cv2
import numpy as np

FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
# How a file begins -> (what its last bytes must contain, how many those are). Files cut off may
# decode to pictures with a grey rest, by the version of the library. ImageNet has files with some
# bytes behind the end.
JPEG, PNG = b'\xff\xd8', b'\x89PNG'
ENDS = {JPEG: (b'\xff\xd9', 64), PNG: (b'IEND', 64)}


def decode(data: bytes) -> np.ndarray:
    """The image, uint8 BGR (H, W, 3).

    Raises:
        ValueError: The data are no image, or not a whole one; the message is the reason.
    """
    if not data:
        raise ValueError('the file is empty')
    if not has_end(data):
        raise ValueError('the file is cut off')
    try:
        img = cv2.imdecode(np.frombuffer(data, np.uint8), FLAGS)
    except cv2.error:
        img = None
    return decode_by_pillow(data) if img is None else img


def has_end(data: bytes) -> bool:
    """Whether the marker of a JPEG's or PNG's end is there; True for other formats."""
    for start, (end, last) in ENDS.items():
        if data.startswith(start) and end not in data[-last:]:
            # Much may lie behind the end; but the end of a thumbnail lies before the image's data.
            return start == JPEG and data.rfind(end) > data.rfind(b'\xff\xda')
    return True


def decode_by_pillow(data: bytes) -> np.ndarray:
    """Like :func:`decode` for what cv2 does not read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            rgb = np.asarray(image.convert('RGB'))
    except UnidentifiedImageError as error:
        raise ValueError(f'not an image; it begins with {data[:12]!r}') from error
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, struct.error, ...
        raise ValueError(f'cannot be decoded ({error})') from error
    return np.ascontiguousarray(rgb[..., ::-1])


def read_file(path: str | PathLike) -> bytes:
    """The bytes of a file, by mmengine's backends.

    Raises:
        ValueError: The file cannot be read; the message is the reason.
    """
    from mmengine import fileio

    try:
        return fileio.get(path)
    except OSError as error:
        raise ValueError(f'cannot be read ({error.strerror or error})') from error


@cache
def _open(shard: str) -> int:
    """A file descriptor that stays open; workers may share it, since pread has no position."""
    return os.open(shard, os.O_RDONLY)


def read_shard(shard: str, offset: int, size: int) -> bytes:
    """Some bytes of a shard.

    Raises:
        ValueError: They cannot be read; the message is the reason.
    """
    try:
        data = os.pread(_open(shard), size, offset)
    except OSError as error:
        raise ValueError(f'cannot be read ({error.strerror})') from error
    if len(data) < size:
        raise ValueError('the shard is cut off')
    return data
