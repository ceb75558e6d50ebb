"""Decoding of images: what every kind of file becomes.

cv2 decodes; what it cannot is given to Pillow. Either way the result is uint8 BGR. Orientation of
EXIF is ignored, as torchvision does. Grey levels are repeated, palettes looked up, alpha dropped,
16 and 12 bits cut to the upper 8, CMYK converted; the name's extension does not matter.
"""

import io
import os
import warnings
from functools import cache
from os import PathLike

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from .image_kinds import BITS, check_file, needs_pillow

FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
# Suffixes of the kinds that are read, in lower case: data sets and tools take these files.
EXTENSIONS = (
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.webp', '.gif', '.bmp', '.dib', '.tif', '.tiff'),
    *('.jp2', '.j2k', '.j2c', '.jpf', '.jpx', '.ppm', '.pgm', '.pbm', '.pnm'),
    *('.avif', '.tga', '.pcx'),
)
if 'OPENCV_LOG_LEVEL' not in os.environ:
    # What cv2 cannot read goes to Pillow, and the reason is in the error.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode(data: bytes) -> np.ndarray:
    """The image, uint8 BGR (H, W, 3).

    Raises:
        ValueError: The data are no image, not a whole one, or of samples without a known range; the
            message is the reason.
    """
    if not data:
        raise ValueError('the file is empty')
    check_file(data)
    img = None if needs_pillow(data) else decode_by_cv2(data)
    return decode_by_pillow(data) if img is None else img


def decode_by_cv2(data: bytes) -> np.ndarray | None:
    """Like :func:`decode`; None for what cv2 does not read."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), FLAGS)
    except cv2.error:
        return None


def decode_by_pillow(data: bytes) -> np.ndarray:
    """Like :func:`decode` for what cv2 does not read."""
    try:
        with warnings.catch_warnings(action='ignore'), Image.open(io.BytesIO(data)) as image:
            return np.ascontiguousarray(_to_rgb(image)[..., ::-1])
    except UnidentifiedImageError as error:
        raise ValueError(f'not an image; it begins with {data[:12]!r}') from error
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, struct.error, ...
        raise ValueError(f'cannot be decoded ({" ".join(str(error).split())})') from error


def _to_rgb(image: Image.Image) -> np.ndarray:
    """uint8 RGB (H, W, 3) of a Pillow image; Pillow itself clips grey levels above 255."""
    if image.mode == 'F' or (image.mode == 'I' and image.format not in ('PPM', 'PNG')):
        raise ValueError(f'{image.format} of mode {image.mode}, 32 bits a sample; allowed: 16')
    if image.mode.startswith('I'):
        bits = image.tag_v2[BITS][0] if isinstance(image, TiffImageFile) else 16
        grey = (np.asarray(image) >> (bits - 8)).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.asarray(image.convert('RGB'))


def read_file(path: str | PathLike) -> bytes:
    """The bytes of a file, by mmengine's backends.

    Raises:
        ValueError: The file cannot be read; the message is the reason.
    """
    from mmengine import fileio

    if not os.path.isfile(path) and os.path.exists(path):  # to read a pipe may take for ever
        raise ValueError('cannot be read (not a regular file)')
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
        if len(data) < size:  # another file may have taken its place since it was opened
            with open(shard, 'rb') as file:
                data = os.pread(file.fileno(), size, offset)
    except OSError as error:
        raise ValueError(f'cannot be read ({error.strerror})') from error
    if len(data) < size:
        raise ValueError('the shard is cut off')
    return data
