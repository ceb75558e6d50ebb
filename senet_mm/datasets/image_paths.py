"""Which images are meant by files, folders, patterns and lists on a command line."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from senet_mm.utils.errors import InputError, MissingFileError
from senet_mm.utils.names import parse_name, printable

from .images.decoding import EXTENSIONS
from .listing import describe_left_out, is_ignored, list_files, suffix_of

ALLOWED = "allowed: files, folders, patterns such as 'a/*.jpg', - for a list on stdin"


def find_images(given: Iterable[str | os.PathLike], lines: Iterable[str] = ()) -> list[str]:
    """Paths of images, in the order in which they were given; those of a folder are sorted.

    Args:
        given: Files, folders with all that is below them, patterns, ``-`` for the lines.
        lines: A path a line, for ``-``.

    Raises:
        FileNotFoundError: A file does not exist.
        InputError: A folder has no image, a pattern fits nothing, or there is no image at all.
    """
    found = [path for each in given for path in _expand(os.fspath(each), lines)]
    if not found:
        raise InputError(f'there is no image; {ALLOWED}')
    return found


def _expand(given: str, lines: Iterable[str]) -> Iterator[str]:
    if given == '-':
        for number, line in enumerate(lines, 1):
            if name := line.removeprefix('\ufeff' if number == 1 else '').rstrip('\r\n'):
                yield from _expand_one(parse_name(name), f'line {number} of the list: ')
    else:
        yield from _expand_one(given, '')


def _expand_one(given: str, where: str) -> Iterator[str]:
    """The paths of a file, a folder or a pattern; ``where`` begins the message of an error."""
    if os.path.isdir(given):
        yield from _list_folder(given, where)
    elif os.path.lexists(given):
        yield given
    elif glob.has_magic(given):
        matches = sorted(glob.glob(given, recursive=True))
        paths = [path for path in matches if not is_ignored(Path(path).name)]
        files = [file for path in paths for file in _images_at(path)]
        if not files:
            raise InputError(f'{where}{printable(given)} fits no image; {ALLOWED}')
        # '**' fits folders and what is in them.
        yield from dict(zip(map(os.path.normpath, files), files, strict=True)).values()
    else:
        raise MissingFileError(f'{where}image {printable(given)} does not exist; {ALLOWED}')


def _is_image(path: str) -> bool:
    return suffix_of(path) in EXTENSIONS


def _images_at(path: str) -> list[str]:
    """The image, or those of the folder, that fits a pattern."""
    if os.path.isdir(path):
        return [os.path.join(path, file) for file in sorted(list_files(path)) if _is_image(file)]
    return [path] if os.path.isfile(path) and _is_image(path) else []


def _list_folder(folder: str, where: str) -> list[str]:
    files = sorted(list_files(folder))
    images = [os.path.join(folder, path) for path in files if _is_image(path)]
    if not images:
        others = describe_left_out(path for path in files if not _is_image(path))
        raise InputError(
            f'{where}folder {printable(folder)} has no image ({others or "it is empty"}); allowed: '
            f'{", ".join(sorted(EXTENSIONS))}'
        )
    return images
