"""Reads annotation files of lines ``PATH LABEL``; errors name file and line."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mmengine.logging import print_log

from senet_mm.utils.errors import InputError
from senet_mm.utils.names import normalise

from .text_lines import read_lines

ALLOWED = 'allowed: PATH, then a space, a tab or a comma, then the label'
NUMBERED = re.compile(r'(.*[^ \t,])[ \t,]+([0-9]+)')
# Between a path and the name of a class.
SEPARATOR = re.compile(r'(?<=[^ \t,])[ \t,]+')
DIGITS = re.compile(r'[0-9]+')


def check_labels(data_list: Sequence[dict], num_classes: int, file: str) -> None:
    """Raise a ValueError for a label that is out of range.

    Args:
        data_list: One dict per image: ``img_path`` and ``gt_label``.
        num_classes: Number of classes.
        file: Name of the annotation file.
    """
    bad = [info for info in data_list if not 0 <= info['gt_label'] < num_classes]
    if bad:
        raise ValueError(
            f'{file}: label {bad[0]["gt_label"]} of {bad[0]["img_path"]} is out of '
            f'range; allowed: 0 to {num_classes - 1}'
        )


def check_below(paths: Iterable[str], folder: str, file: str) -> None:
    """Raise an InputError for a listed path that leads out of a folder.

    Args:
        paths: The paths in the list.
        folder: The folder below which they are.
        file: The list, for the message.
    """
    root = os.path.abspath(folder).rstrip('/') + '/'
    # Only these can lead out. The cheap test comes first: a list may have a million lines.
    for path in (path for path in paths if path.startswith('/') or '..' in path):
        if not os.path.abspath(os.path.join(folder, path)).startswith(root):
            raise InputError(
                f'{file}: {path} leads out of {folder}; allowed: files in it, or a data_prefix '
                'that holds them'
            )


def read_annotations(file: str, classes: Sequence[str] | None) -> list[tuple[str, int]]:
    """Paths and labels of the lines ``PATH LABEL``.

    Path and label are separated by a tab, a comma or spaces; both may contain any of them. If every
    line ends with the name of a class, the labels are names, also where names are digits; else they
    are numbers.

    Args:
        file: The annotation file.
        classes: Names of the classes in the order of their labels; None if they are not known.

    Raises:
        ValueError: A line is neither; the message begins with FILE:LINE.
    """
    lines = read_lines(file)
    if not lines:
        raise ValueError(f'{file} has no line; {ALLOWED}')
    names = [] if classes is None else list(map(normalise, classes))
    labels = dict(zip(names, range(len(names)), strict=True))
    splits = [_split_name(line, labels) for _, line in lines]
    if all(splits) or _are_names(lines, splits, labels):
        _check_once(file, lines, splits, names)
        rows = [
            _read_name(file, *line, split, labels)
            for line, split in zip(lines, splits, strict=True)
        ]
        _report_ambiguity(file, lines, rows, classes or ())
        return rows
    return [_read_number(file, *line, classes) for line in lines]


def _split_name(line: str, labels: Mapping[str, int]) -> tuple[str, str] | None:
    """Path and class of a line that ends with the name of a class, of several the longest."""
    for separator in SEPARATOR.finditer(line) if labels else ():
        name = normalise(line[separator.end() :])
        if name in labels:
            return line[: separator.start()], name
    return None


def _are_names(
    lines: Sequence[tuple[int, str]], splits: Sequence[object], labels: Mapping[str, int]
) -> bool:
    """Whether labels are meant as names although some of them name no class."""
    if any(map(DIGITS.fullmatch, labels)):
        return True
    numbered = [NUMBERED.fullmatch(line) is not None for _, line in lines]
    return bool(labels) and not all(numbered) and (bool(splits[0]) or not numbered[0])


def _check_once(
    file: str,
    lines: Sequence[tuple[int, str]],
    splits: Sequence[tuple[str, str] | None],
    names: Sequence[str],
) -> None:
    """Raise a ValueError for a label that is the name of several classes."""
    twice = {name for name, count in Counter(names).items() if count > 1}
    for (number, _), split in zip(lines, splits, strict=True):
        if split and split[1] in twice:
            raise ValueError(
                f'{file}:{number}: several classes are named {split[1]!r}; allowed: numbers, or '
                'names that differ'
            )


def _read_name(
    file: str, number: int, line: str, split: tuple[str, str] | None, labels: Mapping[str, int]
) -> tuple[str, int]:
    """A line whose label is the name of a class."""
    if split is None:
        digits = any(map(DIGITS.fullmatch, labels))
        kinds = 'a class' if digits else 'a number or a class'
        names = ', '.join(list(labels)[:3]) + (', ...' if len(labels) > 3 else '')
        hint = '; labels are names here, since names of classes are digits' if digits else ''
        raise ValueError(
            f'{file}:{number}: line {line!r} does not end with {kinds} ({names}){hint}; '
            f'{ALLOWED}, and no header'
        )
    path, label = split
    _check_path(file, number, line, path)
    if _split_name(path, labels):
        raise ValueError(f'{file}:{number}: line {line!r} has more than one label; {ALLOWED}')
    return path, labels[label]


def _report_ambiguity(
    file: str,
    lines: Sequence[tuple[int, str]],
    rows: Sequence[tuple[str, int]],
    classes: Sequence[str],
) -> None:
    """Warn once if a label would mean another class when read as a number."""
    for (number, line), (_, label) in zip(lines, rows, strict=True):
        split = NUMBERED.fullmatch(line)
        if split and label != int(split[2]) < len(classes):
            print_log(
                f'{file}:{number}: labels are read as names of classes: {line!r} is of class '
                f'{str(classes[label])!r}, number {label}, not of number {split[2]}, '
                f'{str(classes[int(split[2])])!r}',
                logger='current',
                level=logging.WARNING,
            )
            return


def _read_number(
    file: str, number: int, line: str, classes: Sequence[str] | None
) -> tuple[str, int]:
    """A line whose label is a number."""
    split = NUMBERED.fullmatch(line)
    if split is None:
        reason = f'line {line!r} has no label that is a number'
        if classes is None:
            reason += ', and no names of classes are given (metainfo=dict(classes=[...]))'
        raise ValueError(f'{file}:{number}: {reason}; {ALLOWED}')
    path, label = split.groups()
    _check_path(file, number, line, path)
    if NUMBERED.fullmatch(path):
        raise ValueError(f'{file}:{number}: line {line!r} has more than one label; {ALLOWED}')
    if classes is not None and int(label) >= len(classes):
        raise ValueError(
            f'{file}:{number}: label {label} of {path} is out of range; '
            f'allowed: 0 to {len(classes) - 1}'
        )
    return path, int(label)


def _check_path(file: str, number: int, line: str, path: str) -> None:
    if path[0] == path[-1] == '"':
        raise ValueError(f'{file}:{number}: line {line!r} is quoted; {ALLOWED}, without quotes')
