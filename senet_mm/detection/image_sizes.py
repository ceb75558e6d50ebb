"""Sizes of the images of a data set: read from their files, compared with what annotations say."""

import warnings
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from senet_mm.datasets.decoding import decode, read_file
from senet_mm.datasets.image_kinds import check_size


def check_sizes(images: Iterable[dict], folder: Path) -> None:
    """Compare the images of an annotation file with their files; fill in missing sizes.

    Args:
        images: The images; ``width`` and ``height`` are written where they are missing.
        folder: Folder of the images.

    Raises:
        ValueError: A file is no image, or of another size; the message names it.
    """
    for image in images:
        path = folder / image['file_name']
        try:
            width, height = read_size(path)
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error
        compare_size(path, image, width, height)
        image.update(width=width, height=height)


def read_size(path: Path) -> tuple[int, int]:
    """Width and height of an image, pixels; of nearly all files the header alone is read.

    Raises:
        ValueError: It is no image, or too large; the message is the reason.
    """
    try:
        with warnings.catch_warnings(action='ignore'), Image.open(path) as image:
            width, height = image.size
    except Exception:  # the decoder knows more kinds, and says what is wrong
        height, width = decode(read_file(path)).shape[:2]
    check_size(width, height)
    return width, height


def compare_size(path: Path, image: dict, width: int, height: int) -> None:
    """Raise a ValueError for a file whose size is not that of its annotations."""
    said = (image.get('width') or width, image.get('height') or height)
    if said != (width, height):
        raise ValueError(
            f'{path} is {width} x {height} pixels; its annotations say {said[0]} x {said[1]}'
        )
