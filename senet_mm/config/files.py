"""The files of a config: what they may be, and the order in which they are read."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from senet_mm.utils.errors import InputError
from senet_mm.utils.files import check_regular_file

SUFFIXES = ('.py', '.json', '.yaml', '.yml')


class Chain:
    """The files that are being read: a config, its base, the base of that one, ..."""

    def __init__(self) -> None:
        self._paths: list[Path] = []
        self.last: Path | None = None

    @contextmanager
    def reading(self, filename: str) -> Iterator[None]:
        """Check a file and read it, its bases in the meantime.

        Raises:
            InputError: The file is none of a config, or a base of itself.
        """
        path = Path(filename).resolve()
        if path in self._paths:
            circle = [*self._paths[self._paths.index(path) :], path]
            names = ' -> '.join(map(str, circle))
            raise InputError(f'config {filename} is a base of itself: {names}; allowed: no circle')
        self.last = Path(filename)
        check_config_file(self.last)
        self._paths.append(path)
        yield
        # After an error the last file stays.
        self._paths.pop()
        self.last = self._paths[-1] if self._paths else self.last


def check_config_file(path: Path) -> None:
    """Raise an InputError for a file that is none of a config.

    Args:
        path: The file. What Python in it means, mmengine finds out.
    """
    check_regular_file(path, 'config')
    if path.suffix not in SUFFIXES:
        raise InputError(f'config {path}; allowed: files that end with {", ".join(SUFFIXES)}')
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b'\n', 0, error.start) + 1
        raise InputError(
            f'config {path}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8; '
            'allowed: text in UTF-8'
        ) from error
    for mark, name in (('\ufeff', 'a byte order mark'), ('\0', 'a null byte')):
        if (place := text.find(mark)) >= 0:
            line = text.count('\n', 0, place) + 1
            raise InputError(f'config {path}, line {line}: {name}; allowed: plain text in UTF-8')
    if path.suffix != '.py':
        _check_mapping(path, text)


def _check_mapping(path: Path, text: str) -> None:
    """Raise an InputError unless a file of JSON or YAML holds a mapping with names as keys."""
    try:
        value = json.loads(text) if path.suffix == '.json' else yaml.safe_load(text)
    except json.JSONDecodeError as error:
        raise InputError(f'config {path}, line {error.lineno}: {error.msg}') from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f'config {path}, line {line}: {error.problem}') from error
    except yaml.YAMLError:
        return  # with tags of Python's own, which mmengine reads
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        given = type(value).__name__ if not isinstance(value, dict) else 'keys that are no names'
        raise InputError(f'config {path} holds {given}; allowed: names with their values')
