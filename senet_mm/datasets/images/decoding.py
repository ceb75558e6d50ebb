"""Decoding of image files.

cv2 decodes; what it cannot is given to Pillow. Either way the result is uint8 BGR by default.
Orientation of EXIF is ignored, as torchvision does. Grey levels are repeated, palettes looked up,
alpha dropped, 16 and 12 bits cut to the upper 8, CMYK converted, unless asked for otherwise; the
name's extension does not matter.
"""

import io
import os
import tempfile

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from .colours import swap_red_and_blue, to_float, to_grey, with_channels
from .kinds import BITS, check_file, has_16_bits, is_cmyk, needs_pillow, open_by_pillow

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


def decode(data: bytes, color_type: str = 'color', bits: int = 8) -> np.ndarray:
    """The image, (H, W, C); BGR, or BGR and alpha.

    Args:
        data: The file.
        color_type: ``color`` for 3 channels, ``grayscale`` for 1, the luma of a colour image,
            ``unchanged`` for those that the file has: 1, 3, or 4 with alpha.
        bits: 8 for uint8, to which samples of 16 bits are cut; 16 for float32 from 0 to 255, with
            the fraction of samples of 16 bits.

    Raises:
        ValueError: The data are no image, not a whole one, or of samples without a known range; the
            message is the reason.
    """
    if not data:
        raise ValueError('the file is empty')
    check_file(data)
    deep = bits == 16 and has_16_bits(data)
    img = None if needs_pillow(data, deep) else decode_by_cv2(data, color_type, deep)
    if img is None:
        img = decode_by_pillow(data, color_type, bits)
    if color_type == 'grayscale' and img.shape[2] > 1:
        img = to_grey(img)
    return to_float(img) if bits == 16 else img


def decode_by_cv2(data: bytes, color_type: str = 'color', deep: bool = False) -> np.ndarray | None:
    """Like :func:`decode`; None for what cv2 does not read.

    Args:
        data: The file.
        color_type: ``unchanged``, or anything else for 3 channels.
        deep: Return uint16.
    """
    flags = FLAGS | cv2.IMREAD_ANYDEPTH if deep else FLAGS
    if color_type == 'unchanged' and not is_cmyk(data):
        flags = cv2.IMREAD_UNCHANGED
    try:
        img = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        if img is not None and img.dtype == np.uint16 and not deep:
            # 16 bits, or what an AVIF has without a known scale.
            img = np.right_shift(img, 8).astype(np.uint8) if has_16_bits(data) else None
            img = cv2.imdecode(np.frombuffer(data, np.uint8), FLAGS) if img is None else img
    except cv2.error:
        return None
    return None if img is None else with_channels(img)


def decode_by_pillow(data: bytes, color_type: str = 'color', bits: int = 8) -> np.ndarray:
    """Like :func:`decode` for what cv2 does not read; grey images may have one channel."""
    try:
        with open_by_pillow(io.BytesIO(data)) as image:
            img = image_to_array(image, color_type, bits)
    except UnidentifiedImageError as error:
        raise ValueError(f'not an image; it begins with {data[:12]!r}') from error
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, struct.error, ...
        raise ValueError(f'cannot be decoded ({" ".join(str(error).split())})') from error
    if img.shape[2] == 1 and color_type == 'color':
        img = np.repeat(img, 3, axis=2)
    return img if img.shape[2] == 1 else swap_red_and_blue(img)


def image_to_array(image: Image.Image, color_type: str, bits: int) -> np.ndarray:
    """Grey, RGB or RGBA (H, W, C) of a Pillow image; Pillow itself clips grey levels above 255."""
    if image.mode == 'F' or (image.mode == 'I' and image.format not in ('PPM', 'PNG')):
        raise ValueError(f'{image.format} of mode {image.mode}, 32 bits a sample; allowed: 16')
    if image.mode.startswith('I'):
        given = image.tag_v2[BITS][0] if isinstance(image, TiffImageFile) else 16
        grey = with_channels(np.asarray(image))
        if bits == 16:
            return grey.astype(np.float32) * np.float32(255 / (2**given - 1))
        return (grey >> (given - 8)).astype(np.uint8)
    if color_type == 'unchanged' and image.mode in ('1', 'L'):
        return with_channels(np.asarray(image.convert('L')))
    alpha = image.mode in ('LA', 'PA', 'RGBA') or 'transparency' in image.info
    return np.asarray(image.convert('RGBA' if alpha and color_type == 'unchanged' else 'RGB'))


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
