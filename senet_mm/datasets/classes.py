"""Classes are compared by name, never by number.

A data set's metainfo has ``classes``, the names of its labels, and, where its class folders have
other names (ImageNet's WordNet ids), ``class_folders``, those names in the order of the labels.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from mmengine.logging import print_log

from senet_mm.utils.names import normalise, printable

KEYS = ('class_folders', 'classes')


def number_folders(folders: Sequence[str], classes: Sequence[str] | None, where: str) -> dict:
    """The label of each class folder.

    Folders named as classes get the labels of these classes, in whatever order these are given.
    Where no folder is named as a class, the classes are other names for the sorted folders.

    Args:
        folders: Names of the class folders.
        classes: Names of the classes in the order of their labels; None for those of the folders.
        where: What holds the folders, for messages.

    Raises:
        ValueError: Some folders are named as classes and others are not, or the folders are not as
            many as the classes whose names are others.
    """
    folders = sorted(folders)
    if classes is None:
        classes = folders
    exact = set(map(normalise, classes)) & set(map(normalise, folders))
    given, own = list(map(_fold, classes)), list(map(_fold, folders))
    if exact or (set(given) & set(own) and given != own):
        labels = match(folders, classes, where, 'the classes of the data set (metainfo.classes)')
        return dict(zip(folders, labels, strict=True))
    if len(folders) != len(classes):
        raise ValueError(
            f'{where} has {len(folders)} class folders ({list_names(folders)}); allowed: '
            f'{len(classes)}, the number of classes of the dataset, or folders that are named as '
            'its classes; others are given by metainfo=dict(classes=[...])'
        )
    return {folder: label for label, folder in enumerate(folders)}


def match(
    names: Sequence[str], reference: Sequence[str], where: str, where_reference: str
) -> list[int]:
    """The place of each name in the reference.

    Raises:
        ValueError: A name is not in the reference, or is there twice.
    """
    places: dict[str, list[int]] = {}
    for place, name in enumerate(reference):
        places.setdefault(normalise(name), []).append(place)
    missing = [name for name in names if normalise(name) not in places]
    if missing:
        given = ', '.join(_with_near_miss(name, reference) for name in missing[:3])
        more = f' and {len(missing) - 3} more' if len(missing) > 3 else ''
        raise ValueError(
            f'{where} has classes that {where_reference} do not have: {given}{more}; allowed: '
            f'{list_names(reference)}'
        )
    twice = [name for name in names if len(places[normalise(name)]) > 1]
    if twice:
        raise ValueError(f'{where_reference} have {twice[0]!r} twice: labels cannot follow it')
    return [places[normalise(name)][0] for name in names]


def list_names(names: Sequence[str]) -> str:
    """The first three names, for messages."""
    return ', '.join(map(printable, names[:3])) + (', ...' if len(names) > 3 else '')


def _fold(name: object) -> str:
    """What two names share that a person would take for one."""
    return re.sub(r'[\s_-]', '', normalise(name).casefold()) or normalise(name)


def _with_near_miss(name: object, reference: Sequence[str]) -> str:
    near = [other for other in reference if _fold(other) == _fold(name)]
    return f'{name!r} (there: {near[0]!r})' if near else repr(name)


def get_names(metainfo: object, key: str) -> tuple[str, ...] | None:
    """The names under a key of a data set's metainfo; None where there are none."""
    names = metainfo.get(key) if isinstance(metainfo, dict) else None
    if not isinstance(names, list | tuple | str) or not names:
        return None
    return tuple(map(str, names)) if all(isinstance(name, str | int) for name in names) else None


def is_names(value: object) -> bool:
    """Whether a value of a file is a list of names; numbers are taken as text.

    Equal names are allowed: ImageNet has two cranes.
    """
    return isinstance(value, list | tuple) and all(
        isinstance(name, str | int) and not isinstance(name, bool) and str(name).strip()
        for name in value
    )


def is_named(metainfo: object) -> TypeGuard[Mapping]:
    """Whether a metainfo names its classes."""
    return any(get_names(metainfo, key) for key in KEYS)


def compare(
    given: object, reference: object, where: str, where_reference: str
) -> tuple[list[int], tuple[str, ...]] | None:
    """Compare the classes of two metainfos by name.

    Returns:
        The label in the reference of each given class, and the reference's names that were
        compared. None where the names are equal, or one side has no names; also where all names
        differ and the numbers of classes are equal (words and WordNet ids), which is logged.

    Raises:
        ValueError: There is a given class that the reference does not have.
    """
    pairs = [
        (mine, theirs)
        for mine in (get_names(given, key) for key in KEYS)
        for theirs in (get_names(reference, key) for key in KEYS)
        if mine and theirs
    ]
    if not pairs:
        return None
    alike = [pair for pair in pairs if set(map(_fold, pair[0])) & set(map(_fold, pair[1]))]
    mine, theirs = (alike or pairs)[0]
    if list(map(normalise, mine)) == list(map(normalise, theirs)):
        return None
    if not alike and len(mine) == len(theirs):
        print_log(
            f'{where} and {where_reference} name all of their {len(mine)} classes differently '
            f'({mine[0]!r}, ... and {theirs[0]!r}, ...): compared by number',
            logger='current',
            level=logging.WARNING,
        )
        return None
    return match(mine, theirs, where, f'the classes of {where_reference}'), theirs
