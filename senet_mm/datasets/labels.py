"""Annotation files: lines ``PATH LABEL``, read right or refused with their place."""

import codecs
import re
from collections.abc import Iterator, Sequence

from mmengine import fileio

ALLOWED = 'allowed: PATH, then a space, a tab or a comma, then the label'
NUMBERED = re.compile(r'(.*[^ \t,])[ \t,]+([0-9]+)')
ENCODINGS = {codecs.BOM_UTF16_LE: 'utf-16', codecs.BOM_UTF16_BE: 'utf-16'}


def check_labels(data_list: Sequence[dict], num_classes: int, file: str) -> None:
    """Raise a ValueError for a label that is out of range.

    Args:
        data_list: One dict per image: ``img_path`` and ``gt_label``.
        num_classes: Number of classes.
        file: Where the labels stand.
    """
    bad = [info for info in data_list if not 0 <= info['gt_label'] < num_classes]
    if bad:
        raise ValueError(
            f'{file}: label {bad[0]["gt_label"]} of {bad[0]["img_path"]} is out of '
            f'range; allowed: 0 to {num_classes - 1}'
        )


def read_lines(file: str) -> list[tuple[int, str]]:
    """Number (from 1) and text of the lines that are not blank, without spaces around.

    The text is UTF-8, or UTF-16 that begins with its mark. Bytes that are no UTF-8 are kept as
    Python keeps them in names of files.

    Raises:
        ValueError: The file holds something other than text.
    """
    data = fileio.get(file)
    encoding = ENCODINGS.get(data[:2], 'utf-8-sig')
    errors = 'surrogateescape' if encoding == 'utf-8-sig' else 'strict'
    try:
        text = data.decode(encoding, errors)
    except UnicodeDecodeError as error:
        raise ValueError(f'{file} is not text: {error}; allowed: UTF-8, UTF-16') from error
    if '\0' in text:
        line = text[: text.index('\0')].count('\n') + 1
        raise ValueError(f'{file}:{line}: a zero byte; allowed: text in UTF-8, or UTF-16 with mark')
    # Not splitlines: names of files may hold U+2028 and the like.
    lines = enumerate(re.split(r'\r\n|\n|\r', text), 1)
    return [(number, line.strip(' \t')) for number, line in lines if line.strip()]


def read_annotations(file: str, classes: Sequence[str] | None) -> list[tuple[str, int]]:
    """Paths and labels of the lines ``PATH LABEL``.

    Path and label are separated by a tab, a comma or spaces; the path may hold any of them. If all
    labels are numbers, they are the labels; else they are names of classes.

    Args:
        file: The annotation file.
        classes: Names of the classes in the order of their labels; None if they are not known.

    Raises:
        ValueError: A line is neither; the message begins with FILE:LINE.
    """
    lines = read_lines(file)
    if not lines:
        raise ValueError(f'{file} has no line; {ALLOWED}')
    names = {} if classes is None else {str(name): i for i, name in enumerate(classes)}
    # A name that ends with a number, as in "a.png,cat 1", is a name.
    named = any(label in names and not label.isdecimal() for _, label in _splits(lines[0][1]))
    if not names or (NUMBERED.fullmatch(lines[0][1]) and not named):
        return [_read_number(file, *line, classes) for line in lines]
    return [_read_name(file, *line, names) for line in lines]


def _splits(line: str) -> Iterator[tuple[str, str]]:
    """All ways to take a line for a path and a label, the likeliest first."""
    for separator in ('\t', ',', ' '):
        path, found, label = line.rpartition(separator)
        if found and path.strip() and label.strip():
            yield path.strip(), label.strip()


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


def _read_name(file: str, number: int, line: str, labels: dict[str, int]) -> tuple[str, int]:
    """A line whose label is the name of a class."""
    split = next((split for split in _splits(line) if split[1] in labels), None)
    if split is None:
        names = ', '.join(list(labels)[:3]) + (', ...' if len(labels) > 3 else '')
        raise ValueError(
            f'{file}:{number}: line {line!r} does not end with a number or a class ({names}); '
            f'{ALLOWED}, and no header'
        )
    path, label = split
    _check_path(file, number, line, path)
    return path, labels[label]


def _check_path(file: str, number: int, line: str, path: str) -> None:
    if path[0] == path[-1] == '"':
        raise ValueError(f'{file}:{number}: line {line!r} is quoted; {ALLOWED}, without quotes')
