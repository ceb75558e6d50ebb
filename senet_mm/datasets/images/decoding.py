"""Decoding of image files.

cv2 decodes; what it cannot is given to Pillow. Either way the result is uint8 BGR. Orientation of
EXIF is ignored, as torchvision does. Grey levels are repeated, palettes looked up, alpha dropped,
16 and 12 bits cut to the upper 8, CMYK converted; the name's extension does not matter.
"""

import io
import os
import tempfile

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from .colours import swap_red_and_blue
from .kinds import BITS, check_file, needs_pillow, open_by_pillow

FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
# Suffixes of the kinds that are read, in lower case: data sets and tools take these files.
EXTENSIONS = (
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.webp', '.gif', '.bmp', '.dib', '.tif', '.tiff'),
    *('.jp2', '.j2k', '.j2c', '.jpf', '.jpx', '.ppm', '.pgm', '.pbm', '.pnm'),
    *('.avif', '.tga', '.pcx'),
)
if 'OPENCV_LOG_LEVEL' not in os.environ:
    # What cv2 cannot read goes to Pillow, and the reason is in the error. OpenCV 4.13 moved the
    # function; mmdet's dependencies want an older OpenCV.
    set_log_level = getattr(cv2, 'setLogLevel', None) or cv2.utils.logging.setLogLevel
    set_log_level(0)  # silent


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
        with open_by_pillow(io.BytesIO(data)) as image:
            return swap_red_and_blue(_to_rgb(image))
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


def decode_strictly(data: bytes) -> np.ndarray:
    """Like ``decode``, but the decoder's warnings are errors, too.

    libjpeg continues after damaged data and reports it on stderr alone. This function captures
    stderr, so it must not run in threads.

    Raises:
        ValueError: The image is damaged; the message is the reason.
    """
    with tempfile.TemporaryFile() as captured:
        stderr = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            img = decode(data)
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        captured.seek(0)
        for line in captured.read().decode(errors='replace').splitlines():
            # libpng's warnings are about colour profiles, its errors about the picture.
            if not line.startswith('libpng warning'):
                raise ValueError(f'the decoder says: {line.strip()}')
    return img
