"""Names of files and classes in text, whatever characters or bytes they hold.

In lines, tables and CSV a name is :func:`printable`, and :func:`parse_name` reads it back. In JSON,
which escapes by itself, it is exact: :func:`to_json`.
"""

import json
import os
import re
import unicodedata
from pathlib import Path

# What a terminal acts on or turns around, all ends of lines but the line feed, and bytes that are
# not UTF-8.
ACTING = re.compile(
    '[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]'
)  # fmt: skip


def normalise(name: object) -> str:
    """One spelling of letters with accents: file systems differ in it."""
    return unicodedata.normalize('NFC', str(name))


def printable(name: str | os.PathLike) -> str:
    """A name for messages and lines of files: itself where it is plain, else in JSON's quotes.

    Line breaks of any kind, control characters and bytes that are not UTF-8 are escaped, so that
    the result stays on one line and can be written to any file.
    """
    name = os.fspath(name)
    if name.isprintable() and not name.startswith('"'):
        return name
    return json.dumps(name)


def parse_name(text: str) -> str:
    """The name that :func:`printable` wrote; other text is the name itself."""
    if not text.startswith('"'):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def encodable(name: str) -> str:
    """A name as UTF-8 holds it: itself, or :func:`printable` where it has other bytes."""
    return printable(name) if re.search('[\ud800-\udfff]', name) else name


def to_json(value: object, indent: int | None = None) -> str:
    """JSON that a terminal and a UTF-8 file take, and that reads back exactly; letters stay."""
    return escape_acting(json.dumps(value, indent=indent, ensure_ascii=False))


def escape_acting(text: str) -> str:
    """A text, of several lines perhaps, with JSON's escapes in place of what acts."""
    return ACTING.sub(lambda found: json.dumps(found[0])[1:-1], text)


def format_number(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, or all before the point: ``8.31``, ``34,420``."""
    return f'{value:,.0f}' if abs(value) >= 10 ** (digits - 1) else f'{value:.{digits}g}'


def counted(number: int, one: str, many: str = '') -> str:
    """``1 process``, ``1,200 images``.

    Args:
        number: How many.
        one: The word for one.
        many: The plural, by default with an ``s``.
    """
    return f'{number:,} {one if number == 1 else many or one + "s"}'


def lines_of(path: str | os.PathLike) -> list[str]:
    """Lines of a UTF-8 file, ended by a line feed alone: names may hold U+2028 and the like."""
    lines = Path(path).read_bytes().decode('utf-8', 'surrogateescape').split('\n')
    return lines if lines[-1] else lines[:-1]
