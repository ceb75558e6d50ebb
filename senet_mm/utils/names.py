"""Names of files and classes in lines of text, whatever characters or bytes they hold."""

import json
import os
import unicodedata
from pathlib import Path


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


def lines_of(path: str | os.PathLike) -> list[str]:
    """Lines of a UTF-8 file, ended by a line feed alone: names may hold U+2028 and the like."""
    lines = Path(path).read_bytes().decode('utf-8', 'surrogateescape').split('\n')
    return lines if lines[-1] else lines[:-1]
