"""A split of pictures into those to train on and those to validate and test on, and its file.

The file has a line ``SPLIT PATH`` per picture. The split depends on seed, paths and shares alone:
within a class the pictures are sorted by a hash of seed and path, so that a new picture moves few
others.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path

from senet_mm.utils.errors import InputError
from senet_mm.utils.files import atomic_file
from senet_mm.utils.names import parse_name, printable

from .layout import class_of
from .text_lines import read_lines

SPLIT_FILE = 'split.txt'
SIDES = ('train', 'val', 'test')

# The side of each picture, by its path.
Split = dict[str, str]


def make_split(
    paths: Iterable[str],
    shares: Mapping[str, float],
    seed: int,
    is_whole: Callable[[str], bool] = lambda path: True,
) -> Split:
    """Split each class by the same shares; a class of one whole picture is trained on.

    Args:
        paths: ``CLASS/NAME`` of the pictures.
        shares: Parts of a class to validate and to test on; at least one picture of a class that
            has enough.
        seed: Another seed gives another split.
        is_whole: Whether a picture can be read; others are trained on, where they are replaced.
    """

    def key(path: str) -> bytes:
        return hashlib.sha256(f'{seed}/{path}'.encode('utf-8', 'surrogateescape')).digest()

    split: Split = {}
    for _, group in groupby(sorted(paths), class_of):
        order = sorted(group, key=key)
        split |= dict.fromkeys(order, 'train')
        left = len(order)
        for side, share in shares.items():
            count = min(max(1, round(share * len(order))), left - 1) if share else 0
            whole = (path for path in order if split[path] == 'train' and is_whole(path))
            for _, path in zip(range(count), whole, strict=False):
                split[path] = side
                left -= 1
        held_out = [path for path in order if split[path] != 'train']
        if held_out and not any(is_whole(path) for path in order if split[path] == 'train'):
            split[held_out[-1]] = 'train'
    return split


def write_split(split: Split, path: Path) -> None:
    """Write a split to a file that is whole or not there."""
    with atomic_file(path) as file:
        file.write(to_text(split).encode('utf-8', 'surrogateescape'))


def to_text(split: Split) -> str:
    """A line per picture, sorted by path."""
    return ''.join(f'{split[path]} {printable(path)}\n' for path in sorted(split))


def digest_of(split: Split) -> str:
    """What tells a split from others."""
    text = to_text(split).encode('utf-8', 'surrogateescape')
    return hashlib.sha256(text).hexdigest()[:16]


def read_split(path: str) -> Split:
    """The split in a file.

    Raises:
        InputError: A line is none of a split, or contradicts another one.
        FileNotFoundError: There is no such file.
    """
    split: Split = {}
    for number, line in read_lines(path):
        side, _, name = line.partition(' ')
        if side not in SIDES or not name:
            raise InputError(
                f'{path}, line {number}: {line!r}; allowed: {", ".join(SIDES)}, a space, and the '
                'path of a picture'
            )
        picture = parse_name(name)
        parts = picture.split('/')
        if len(parts) < 2 or not {'', '.', '..'}.isdisjoint(parts):
            raise InputError(
                f'{path}, line {number}: {name}; allowed: the path of a picture from data_root, '
                'CLASS/NAME, without . and ..'
            )
        if split.setdefault(picture, side) != side:
            raise InputError(
                f'{path}, line {number}: {name} is {side} and, in an earlier line, '
                f'{split[picture]}; allowed: one of them'
            )
    return split
