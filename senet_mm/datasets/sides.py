"""What spoils a validation: classes without a picture in it, pictures that are trained on too.

Also a split of other pictures than those of a folder.
"""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from mmengine.fileio import LocalBackend, get_file_backend

from senet_mm.utils.errors import InputError
from senet_mm.utils.names import normalise, printable

from .classes import list_names
from .layout import class_of
from .split import Split

# Read of files of equal size before they are read as a whole.
TAIL = 4096


def describe_names(root: str, what: str, names: Sequence[str]) -> str:
    """``ROOT: 12 pictures are gone (a/1.jpg, a/2.jpg, b/1.jpg, ...)``."""
    return f'{printable(root)}: {len(names)} {what} ({list_names(names)})'


def check_split(
    split: Split, file: str, pictures: Iterable[str], root: str, is_trained: bool
) -> None:
    """Raise an InputError for a split from a file that a folder of pictures cannot have.

    Args:
        split: The split.
        file: Where it is from, for messages.
        pictures: Paths of the pictures of the folder.
        root: The folder.
        is_trained: Whether it is trained on; each class needs a picture then.
    """
    trained = {normalise(class_of(path)) for path, side in split.items() if side == 'train'}
    for path, side in split.items():
        if normalise(class_of(path)) not in trained:
            raise InputError(
                f'{file}: no picture of class {printable(class_of(path))} is trained on '
                f'({side} {printable(path)}); allowed: classes with a line train PATH'
            )
    present = set(split) & set(pictures)
    left = {normalise(class_of(path)) for path in present if split[path] == 'train'}
    if is_trained and left and (gone := sorted(trained - left)):
        raise InputError(
            f'{root} has no picture left to train on of {len(gone)} classes in {file} '
            f'({list_names(gone)}); allowed: the class folders as they were, or a new training'
        )
    if len(present) * 2 < len(split):
        raise InputError(
            f'{root} has {len(present)} of the {len(split)} pictures in {file}, the split of '
            'another folder; allowed: data_root=DIR of the training, another split_file, or '
            "split='all' to test on all pictures"
        )


def describe_sides(root: str, trained: Sequence[str], others: Sequence[str]) -> Iterator[str]:
    """Lines for the log about the pictures that are trained on and the others.

    Args:
        root: The folder; only a local one is searched for equal pictures.
        trained: Paths from it, ``CLASS/NAME``.
        others: Those that are validated or tested on.
    """
    counts = Counter(map(class_of, trained))
    seen = {normalise(class_of(path)) for path in others}
    if unseen := [name for name in counts if normalise(name) not in seen]:
        yield describe_names(root, 'classes are trained on and not validated', unseen)
    if not isinstance(get_file_backend(root), LocalBackend):
        return
    paths = {os.path.join(root, path): path for path in (*trained, *others)}
    twins, held_out = find_twins(paths), set(others)
    groups = [[paths[path] for path in group] for group in twins]
    mixed = [group for group in groups if 0 < len(held_out & set(group)) < len(group)]
    if mixed:
        pairs = [' = '.join(group[:2]) for group in mixed]
        yield describe_names(root, 'pictures are trained on and tested on, under two names', pairs)
    torn = [group for group in groups if len({normalise(class_of(path)) for path in group}) > 1]
    if torn:
        pairs = [' = '.join(group[:2]) for group in torn]
        yield describe_names(root, 'pictures are in several classes', pairs)


def find_twins(paths: Iterable[str]) -> list[list[str]]:
    """Groups of local files with equal bytes; what cannot be read is in none.

    Few files are read: those of equal size, at first their ends.
    """
    groups = [list(paths)]
    for key in (_size, _tail, _digest):
        groups = [part for group in groups for part in _divide(group, key)]
    return groups


def _divide(paths: Iterable[str], key: Callable[[str], Hashable]) -> Iterable[list[str]]:
    """Groups of two and more files with the same key."""
    found: dict[Hashable, list[str]] = defaultdict(list)
    for path in paths:
        try:
            found[key(path)].append(path)
        except OSError:
            continue
    return [group for group in found.values() if len(group) > 1]


def _size(path: str) -> int:
    return os.stat(path).st_size


def _tail(path: str) -> bytes:
    with open(path, 'rb') as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
        return file.read(TAIL)


def _digest(path: str) -> bytes:
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').digest()
