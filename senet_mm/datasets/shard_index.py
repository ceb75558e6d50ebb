"""Index of a packed split: a line per image, read right or refused with its place."""

import re
from pathlib import Path

from senet_mm.utils.names import parse_name

from .text_lines import read_lines

# Of numbers ASCII digits alone, as many as a file's size may have.
LINE = re.compile(r'(\S+) ([0-9]{1,18}) ([0-9]{1,18}) ([0-9]{1,18}) (.+)')


def read_index(file: Path) -> list[dict]:
    """One dict per image: ``shard``, ``offset``, ``size``, ``gt_label``, ``img_path``.

    Raises:
        ValueError: The file has no line, or one that is wrong; the message begins with FILE:LINE.
    """
    lines = read_lines(str(file))
    if not lines:
        raise ValueError(f'{file} has no line; pack.py writes SHARD OFFSET SIZE LABEL NAME')
    return [_parse(line, file.parent, f'{file}:{number}') for number, line in lines]


def _parse(line: str, root: Path, where: str) -> dict:
    match = LINE.fullmatch(line)
    if match is None:
        raise ValueError(
            f'{where}: {line!r} is no line of an index; pack.py writes SHARD OFFSET SIZE LABEL NAME'
        )
    shard, offset, size, label, name = match.groups()
    return dict(
        shard=str(root / shard),
        offset=int(offset),
        size=int(size),
        gt_label=int(label),
        img_path=f'{root / shard}:{parse_name(name)}',
    )


def find_indexes(names: list[str]) -> list[str]:
    """Of the files of a folder, by their paths, those that are the index of shards beside them."""
    present = set(names)
    return [
        name
        for name in names
        if name.endswith('.txt') and f'{name.removesuffix(".txt")}-00000.tar' in present
    ]
