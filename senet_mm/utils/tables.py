"""Rows as Markdown, JSON, CSV and text."""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

FORMATS = ('.md', '.json', '.csv')


def check_outputs(files: Iterable[Path]) -> None:
    """Raise a ValueError for an output file whose suffix is none of ``FORMATS``."""
    for file in files:
        if file.suffix not in FORMATS:
            raise ValueError(f'--out {file}: allowed: {", ".join(FORMATS)}')


def json_table(rows: Sequence[dict]) -> str:
    """The rows as a JSON list."""
    return json.dumps(rows, indent=2) + '\n'


def csv_table(rows: Sequence[dict]) -> str:
    """The rows as CSV, one column a key."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=rows[0], lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table."""
    lines = [header, ['---'] * len(header), *rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells in columns, the first one to the left, the others to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return '\n'.join(
        '  '.join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    )


def fill_in(page: str, name: str, text: str) -> str:
    """Put a text between its markers ``<!-- table: NAME -->`` and ``<!-- end -->`` of a page."""
    pattern = rf'(<!-- table: {name} -->\n).*?(<!-- end -->)'
    filled, count = re.subn(pattern, lambda m: m[1] + text + m[2], page, flags=re.DOTALL)
    assert count == 1, f'{name} has {count} places'
    return filled


def format_count(value: int | None, unit: float) -> str:
    """A count in a unit: two decimals from 1, three significant digits below; ``-`` for None."""
    if value is None:
        return '-'
    amount = value / unit
    return f'{amount:.2f}' if amount >= 1 else f'{amount:.3g}'
