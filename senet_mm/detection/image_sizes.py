"""Reads the sizes of images from their files and compares them with the annotations."""

from collections.abc import Iterable
from pathlib import Path

from senet_mm.datasets.images.reading import read_size
from senet_mm.utils.errors import InputError


def check_sizes(images: Iterable[dict], folder: Path) -> None:
    """Compare the images of an annotation file with their files; fill in missing sizes.

    Args:
        images: The images; ``width`` and ``height`` are written where they are missing.
        folder: Folder of the images.

    Raises:
        ValueError: A file is not an image or has another size; the message names it.
    """
    for image in images:
        path = folder / image['file_name']
        try:
            width, height = read_size(path)
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error
        compare_size(path, image, width, height)
        image.update(width=width, height=height)


def compare_size(path: Path, image: dict, width: int, height: int) -> None:
    """Raise an InputError for a file whose size is not that of its annotations."""
    said = (image.get('width') or width, image.get('height') or height)
    if said != (width, height):
        raise InputError(
            f'{path} is {width} x {height} pixels; its annotations say {said[0]} x {said[1]}'
        )
