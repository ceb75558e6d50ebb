"""Windows of JPEGs, decoded alone by libjpeg-turbo 3.

OpenCV and Pillow decode whole files. TurboJPEG, the second interface of libjpeg-turbo, skips what
lies outside of a window, but no package wraps that. The wheel ``pylibjxl`` (the extra ``windows``)
exports its functions, which are called here by ctypes.

Source: libjpeg-turbo 3, ``turbojpeg.h``.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

PACKAGE, LIBRARY = 'pylibjxl', '_pylibjxl*'
DECOMPRESS = 1  # TJINIT
# TJPARAM
SUBSAMPLING, WIDTH, HEIGHT, PRECISION, COLOURS = 4, 5, 6, 7, 8
PROGRESSIVE, ARITHMETIC, LOSSLESS = 12, 14, 15
RGB, YCC, GREY = 0, 1, 2  # TJCS; the others are CMYK
BGR_PIXELS, GREY_PIXELS = 1, 6  # TJPF
# Width of a unit of a JPEG in pixels by TJSAMP: 4:4:4, 4:2:2, 4:2:0, grey, 4:4:0, 4:1:1, 4:4:1.
UNITS = {0: 8, 1: 16, 2: 16, 3: 8, 4: 8, 5: 32, 6: 8}


class Region(ctypes.Structure):
    """``tjregion``, pixels."""

    _fields_ = [(name, ctypes.c_int) for name in ('left', 'top', 'width', 'height')]


HANDLE, INT, DATA = ctypes.c_void_p, ctypes.c_int, (ctypes.c_char_p, ctypes.c_size_t)
# Name -> type of the result, types of the arguments.
FUNCTIONS = {
    'tj3Init': (HANDLE, [INT]),
    'tj3Destroy': (None, [HANDLE]),
    'tj3Get': (INT, [HANDLE, INT]),
    'tj3DecompressHeader': (INT, [HANDLE, *DATA]),
    'tj3SetCroppingRegion': (INT, [HANDLE, Region]),
    'tj3Decompress8': (INT, [HANDLE, *DATA, ctypes.c_void_p, INT, INT]),
}


class Header(NamedTuple):
    """Of a JPEG: sides in pixels, whether it has one channel, width of a unit."""

    height: int
    width: int
    is_grey: bool
    unit: int


@cache
def load_library() -> ctypes.CDLL | None:
    """The library; None where the package or one of its functions is missing."""
    spec = find_spec(PACKAGE)  # not imported
    files = sorted(Path(spec.origin).parent.glob(LIBRARY)) if spec and spec.origin else []
    try:
        library = ctypes.CDLL(str(files[0]))
        for name, types in FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = types
    except (AttributeError, IndexError, OSError):
        return None
    return library


@contextmanager
def _opened(data: bytes) -> Iterator[tuple[ctypes.CDLL, int | None]]:
    """The library and a handle that has read the header, None if it cannot.

    A handle takes a microsecond; of its own for each call, it is safe in threads and after a fork.
    """
    library = load_library()
    assert library is not None
    handle = library.tj3Init(DECOMPRESS)
    try:
        failed = not handle or library.tj3DecompressHeader(handle, data, len(data))
        yield library, None if failed else handle
    finally:
        library.tj3Destroy(handle)


def read_header(data: bytes) -> Header | None:
    """The header of a JPEG; None where its windows are not decoded.

    These are CMYK, 12 bits, rare kinds, and progressive ones: where scans are missing, the decoder
    smooths a block by its neighbours, which a window lacks at its edge.
    """
    with _opened(data) as (library, handle):
        if handle is None:
            return None
        colours, unit = library.tj3Get(handle, COLOURS), library.tj3Get(handle, SUBSAMPLING)
        is_rare = any(library.tj3Get(handle, kind) for kind in (PROGRESSIVE, ARITHMETIC, LOSSLESS))
        if colours > GREY or is_rare or library.tj3Get(handle, PRECISION) != 8:
            return None
        if unit not in UNITS:
            return None
        height, width = library.tj3Get(handle, HEIGHT), library.tj3Get(handle, WIDTH)
        return Header(height, width, colours == GREY, UNITS[unit])


def decode_window(
    data: bytes, header: Header, rows: range, columns: range, channels: int = 3
) -> np.ndarray | None:
    """Part of a JPEG, equal to that of the whole picture.

    Args:
        data: The file.
        header: Its header.
        rows: The rows, from 0.
        columns: The columns.
        channels: 3 for BGR; 1 for the one channel of a grey JPEG.

    Returns:
        uint8 (rows, columns, channels); None for a window of a damaged picture, in which the
        decoder warns.
    """
    assert rows.step == columns.step == 1
    assert len(rows) * len(columns), 'TurboJPEG takes a window of no pixels for the whole'
    # A window begins with a unit. Chroma next to it is interpolated with one value beyond it.
    context = header.unit // 8
    left = max(0, columns.start - context) // header.unit * header.unit
    right = min(header.width, columns.stop + context)
    img = np.empty((len(rows), right - left, channels), np.uint8)
    region = Region(left, rows.start, right - left, len(rows))
    pixels = GREY_PIXELS if channels == 1 else BGR_PIXELS
    with _opened(data) as (library, handle):
        if (
            handle is None
            or library.tj3SetCroppingRegion(handle, region)
            or library.tj3Decompress8(handle, data, len(data), img.ctypes.data, 0, pixels)
        ):
            return None
    return img[:, columns.start - left : columns.stop - left]


@cache
def can_decode_windows() -> bool:
    """Whether the library is there and agrees with OpenCV's, to the bit, on a picture of noise.

    An OpenCV that was built with another libjpeg decodes otherwise, and a training must not depend
    on whether the extra is installed.
    """
    if load_library() is None:
        return False
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = cv2.imencode('.jpg', noise)[1].tobytes()
    whole = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    header = read_header(data)
    window = header and decode_window(data, header, range(9, 50), range(21, 60))
    return window is not None and np.array_equal(window, np.asarray(whole)[9:50, 21:60])
