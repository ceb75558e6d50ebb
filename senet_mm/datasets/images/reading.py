"""Images in files and shards: their bytes, and their size without decoding."""

import os
from functools import cache
from io import BytesIO
from os import PathLike
from pathlib import Path
from stat import S_ISREG

from .decoding import decode
from .kinds import JPEG, MAX_PIXELS, check_file, check_size, open_by_pillow

# Of the largest picture that is read, without compression: four samples of 16 bits.
MAX_BYTES = 8 * MAX_PIXELS


def read_file(path: str | PathLike) -> bytes:
    """The bytes of a file, of an address by mmengine's backends.

    Raises:
        ValueError: The file cannot be read; the message is the reason.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # an address, or nothing
        status = None
    if status and not S_ISREG(status.st_mode):  # to read a pipe may take for ever
        raise ValueError('cannot be read (not a regular file)')
    try:
        if status:
            _check_bytes(status.st_size)
            with open(path, 'rb', buffering=0) as file:
                return file.read()
        from mmengine import fileio

        return fileio.get(path)
    except OSError as error:
        raise ValueError(f'cannot be read ({error.strerror or error})') from error


def _check_bytes(size: int) -> None:
    """Raise a ValueError for more bytes than an image has; a sparse file has them for nothing."""
    if size > MAX_BYTES:
        raise ValueError(f'{size} bytes; allowed: at most {MAX_BYTES}')


@cache
def _open(shard: str) -> int:
    """A file descriptor that stays open; workers may share it, since pread has no position."""
    return os.open(shard, os.O_RDONLY)


def read_shard(shard: str, offset: int, size: int) -> bytes:
    """Some bytes of a shard.

    Raises:
        ValueError: They cannot be read; the message is the reason.
    """
    _check_bytes(size)
    try:
        data = os.pread(_open(shard), size, offset)
        if len(data) < size:  # the shard may have been replaced since it was opened
            with open(shard, 'rb') as file:
                data = os.pread(file.fileno(), size, offset)
    except OSError as error:
        raise ValueError(f'cannot be read ({error.strerror})') from error
    if len(data) < size:
        raise ValueError('the shard is cut off')
    return data


def check_image(path: str | PathLike) -> None:
    """Raise a ValueError, the reason, for a file that is no whole image; JPEGs are not decoded.

    libjpeg repairs what may be wrong within a whole JPEG.

    Args:
        path: Path or address of the file.
    """
    data = read_file(path)
    if not data.startswith(JPEG):
        decode(data)
        return
    check_file(data)
    try:
        with open_by_pillow(BytesIO(data)) as image:
            check_size(*image.size)
    except OSError:  # the decoder gives the reason
        decode(data)


def read_size(path: Path) -> tuple[int, int]:
    """Width and height of an image in pixels; for nearly all files only the header is read.

    Raises:
        ValueError: The file is no image, or too large; the message is the reason.
    """
    try:
        with open_by_pillow(path) as image:
            width, height = image.size
    except Exception:  # the decoder reads more kinds, and gives the reason
        height, width = decode(read_file(path)).shape[:2]
    check_size(width, height)
    return width, height
