"""Checks of image files: complete, not too large, and which decoder reads them right.

Depending on the version of the decoder, a truncated file decodes to a picture that is grey below
the cut. JPEG and PNG are therefore walked here from start to end; data behind the end (a film or a
second image of the camera) do not matter. Decoders refuse other kinds that are truncated.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from os import PathLike

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

JPEG, PNG = b'\xff\xd8', b'\x89PNG'
# Largest picture, pixels: 512 MiB as RGB, where Pillow refuses by default. cv2 does from 1.07e9.
MAX_PIXELS = 178_956_970

# What follows FF in a JPEG's marker. In the data of a scan it is 00, a restart or another FF.
IS_MARKER = np.ones(256, bool)
IS_MARKER[[0x00, 0x01, *range(0xD0, 0xD8), 0xFF]] = False
START, END = 0xD8, 0xD9
# Markers of a frame's header: C4, C8 and CC in their midst are others.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

# How files of linear light begin: Radiance, portable float map.
FLOATS = (b'#?RADIANCE', b'#?RGBE', b'PF', b'Pf')
# cv2 reads portable grey and pixel maps of another maximum than 255 wrongly.
PIXEL_MAPS = (b'P2', b'P3', b'P5', b'P6')
PIXEL_MAP_OF_16_BITS = re.compile(rb'P[56]\s+\d+\s+\d+\s+65535\s')
JPEG_2000 = (b'\0\0\0\x0cjP  ', b'\xff\x4f\xff\x51')
SIZES_OF_JPEG_2000 = b'\xff\x51'
TIFF = (b'II*\0', b'MM\0*', b'II+\0')
# TIFF's tags, and values of theirs.
TAGS = BITS, PHOTOMETRIC, EXTRA_SAMPLES, SAMPLE_FORMAT = 258, 262, 338, 339
RGB, CMYK, UNASSOCIATED_ALPHA = 2, 5, 2
WIDTHS = {1, 2, 4, 8, 16}
# White is 0, black is 0, RGB, palette, a mask of alpha, CMYK, YCbCr. LAB gets a colour cast.
COLOURS = {0, 1, 2, 3, 4, 5, 6}
OTHER_COLOURS = {
    **dict.fromkeys((8, 9, 10), 'LAB colours'),
    **{32803: 'colours of a raw sensor', 32844: 'LogL', 32845: 'LogLuv'},
}
SAMPLE_FORMATS = {2: 'signed integer', 3: 'float', 5: 'complex integer', 6: 'complex float'}


@contextmanager
def open_by_pillow(file: BytesIO | str | PathLike) -> Iterator[Image.Image]:
    """Open an image without Pillow's warnings; only its header is read until its pixels are."""
    with warnings.catch_warnings(action='ignore'), Image.open(file) as image:
        yield image


def check_file(data: bytes) -> None:
    """Raise a ValueError, the reason, for a file that cannot become a right uint8 picture."""
    if data.startswith(JPEG):
        _check_jpeg(data)
    elif data.startswith(PNG):
        _check_png(data)
    elif data.startswith(FLOATS):
        raise ValueError('float samples; allowed: unsigned integers of at most 16 bits')
    else:
        if data.startswith(TIFF):
            _check_tiff(read_tiff_tags(data), data.startswith(b'II'))
        _check_other(data)


def _check_jpeg(data: bytes) -> None:
    behind = len(JPEG)  # the last segment
    for position in _find_markers(data):
        if position < behind:
            continue
        marker, behind = data[position + 1], position + 2
        if marker == END:
            return
        if marker == START:  # another image begins
            break
        if marker in FRAMES:
            height, width = data[position + 5 : position + 7], data[position + 7 : position + 9]
            check_size(int.from_bytes(width, 'big'), int.from_bytes(height, 'big'))
        # A segment, thumbnails included, is skipped by its length.
        behind += int.from_bytes(data[behind : behind + 2], 'big')
    raise ValueError('the file is cut off')


def _find_markers(data: bytes) -> Iterator[int]:
    """Where markers may be; NumPy takes less than half the time of a regular expression."""
    codes = np.frombuffer(data, np.uint8)
    marked = codes[:-1] == 0xFF
    marked &= codes[1:] != 0  # FF 00, nearly all within a scan
    places = np.flatnonzero(marked)
    return map(int, places[IS_MARKER[codes[places + 1]]])


def _check_png(data: bytes) -> None:
    check_size(int.from_bytes(data[16:20], 'big'), int.from_bytes(data[20:24], 'big'))
    position, kind = 8, b''
    while position < len(data) and kind != b'IEND':
        length, kind = data[position : position + 4], data[position + 4 : position + 8]
        position += 12 + int.from_bytes(length, 'big')
    if kind != b'IEND' or position > len(data):
        raise ValueError('the file is cut off')


def _check_tiff(tags: dict[int, tuple[int, ...]], is_little_endian: bool) -> None:
    bits, kind = max(tags.get(BITS, (1,))), max(tags.get(SAMPLE_FORMAT, (1,)))
    if bits > 16 or kind in SAMPLE_FORMATS:
        raise ValueError(
            f'{SAMPLE_FORMATS.get(kind, "unsigned integer")} samples of {bits} bits; '
            'allowed: unsigned integers of at most 16 bits'
        )
    widths, colours = tags.get(BITS, (1,)), tags.get(PHOTOMETRIC, (RGB,))
    # Pillow alone reads 12 bits.
    if not WIDTHS.issuperset(widths) and not (
        widths == (12,) and colours == (1,) and is_little_endian
    ):
        order = '' if is_little_endian else 'big-endian '
        raise ValueError(
            f'{order}TIFF of {bits} bits a sample, which no decoder reads; allowed: 1, 2, 4, 8 or '
            '16 bits, or 12 in grey and little-endian'
        )
    if not COLOURS.issuperset(colours):
        colour = OTHER_COLOURS.get(colours[0], f'colours of kind {colours[0]}')
        raise ValueError(f'TIFF in {colour}; allowed: grey, palette, RGB, CMYK, YCbCr')


def _check_other(data: bytes) -> None:
    try:
        with open_by_pillow(BytesIO(data)) as image:
            size = image.size
    except Image.DecompressionBombError as error:
        raise ValueError(f'too large ({error}); allowed: {MAX_PIXELS} pixels') from error
    except Exception:  # the decoders say what is wrong
        return
    check_size(*size)


def check_size(width: int, height: int) -> None:
    """Raise a ValueError for a picture of more than ``MAX_PIXELS``."""
    if width * height > MAX_PIXELS:
        raise ValueError(f'{width} x {height} pixels; allowed: at most {MAX_PIXELS}')


def read_tiff_tags(data: bytes) -> dict[int, tuple[int, ...]]:
    """Numbers of a TIFF's first picture by tag, of those that are asked for here.

    Empty for a damaged file: the decoders say what is wrong.
    """
    try:
        tags = ImageFileDirectory_v2(data[: 16 if data[2:3] == b'+' else 8])
        file = BytesIO(data)
        file.seek(tags.next)
        with warnings.catch_warnings(action='ignore'):
            tags.load(file)
            found = {tag: tags[tag] for tag in TAGS if tag in tags}
        return {tag: tuple(map(int, np.atleast_1d(value))) for tag, value in found.items()}
    except Exception:
        return {}


def has_16_bits(data: bytes) -> bool:
    """Whether cv2 gives the samples of 16 bits of a file in their full range, 0 to 65535."""
    if data.startswith(PNG):
        return data[24:25] == b'\x10'
    if data.startswith(TIFF):
        return max(read_tiff_tags(data).get(BITS, (1,))) == 16
    if data.startswith(JPEG_2000):
        return _get_precision(data) == 16
    return bool(PIXEL_MAP_OF_16_BITS.match(data))


def _get_precision(data: bytes) -> int:
    """Bits of the first component of a JPEG 2000; 0 where its header has none."""
    start = data.find(SIZES_OF_JPEG_2000)
    # Marker, length, capabilities, eight sizes, count of components: 40 bytes.
    sample = data[start + 40 : start + 41] if start >= 0 else b''
    return (sample[0] & 0x7F) + 1 if sample and not sample[0] & 0x80 else 0


def is_cmyk(data: bytes) -> bool:
    """Whether a file is a TIFF of CMYK, whose four channels are not colours and alpha."""
    return data.startswith(TIFF) and read_tiff_tags(data).get(PHOTOMETRIC) == (CMYK,)


def needs_pillow(data: bytes, deep: bool = False) -> bool:
    """Whether cv2 reads a whole file wrongly, so that only Pillow may read it.

    Args:
        data: The file.
        deep: Whether it has 16 bits and they are wanted, which Pillow gives for grey images alone.
    """
    if deep:
        return False
    if data.startswith(TIFF):
        tags = read_tiff_tags(data)
        # cv2 multiplies the colours by the alpha in the place of dropping it.
        extra = tags.get(EXTRA_SAMPLES, ())
        return UNASSOCIATED_ALPHA in extra and tags.get(PHOTOMETRIC) == (RGB,)
    return data.startswith(PIXEL_MAPS)
