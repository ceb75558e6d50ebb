"""Reads the text of options, ``KEY=VALUE``."""

import contextlib
import re
from collections.abc import Iterable

from mmengine.config import DictAction

from .text import read_config_text

MAX_KEY, MAX_DEPTH = 1000, 50
# Keys of files and folders, whose names may have commas or be digits.
PATHS = ('ann_file', 'checkpoint', 'data_prefix', 'data_root', 'load_from', 'work_dir')
BRACKETS = {')': '(', ']': '['}
# What begins a value as in Python.
STRUCTURES = ('{', 'dict(', '[', '(')
QUOTED = re.compile(r"'[^'\\]*'|\"[^\"\\]*\"")


def parse_options(texts: Iterable[str], known: dict | None = None) -> dict[str, object]:
    """Values by dotted key.

    Args:
        texts: Options. A value is a number, True, False, None, a list ``[1,2]`` or ``1,2``, a tuple
            ``(1,2)``, a dict ``{'a': 1}`` or ``dict(a=1)``, or else a text. One of a file or folder
            (:data:`PATHS`) is a text, unless it is None or in brackets.
        known: Options that came before.

    Raises:
        ValueError: One is no option, or is given twice with two values; it says which.
    """
    options = dict(known or {})
    for text in texts:
        key, value = parse_option(text)
        if key in options and repr(options[key]) != repr(value):
            raise ValueError(f'{key} is given twice, {options[key]!r} and {value!r}; allowed: once')
        options[key] = value
    return options


def parse_option(text: str) -> tuple[str, object]:
    """The key and the value of an option; raises a ValueError for what is none."""
    key, equals, value = text.partition('=')
    short = text if len(text) <= 100 else f'{text[:100]}...'
    if not equals or not re.fullmatch(r'[^.\s]+(\.[^.\s]+)*', key) or len(key) > MAX_KEY:
        raise ValueError(f'{short}: allowed: KEY=VALUE, a KEY of names with dots between them')
    if fault := _find_fault(value, is_path=key.rpartition('.')[2] in PATHS):
        raise ValueError(f'{short}: allowed: KEY=VALUE, {fault}')
    if value.startswith('{') or value.startswith('dict('):
        try:
            return key, read_config_text(f'_ = {value}')['_']
        except ValueError as error:
            fault = 'a dict of plain values as in Python'
            raise ValueError(f'{short}: allowed: KEY=VALUE, {fault}') from error
    if value.startswith(('[', '(')):
        # As in Python; mmengine takes lists of words without quotes as well.
        with contextlib.suppress(ValueError):
            return key, read_config_text(f'_ = {value}')['_']
    elif key.rpartition('.')[2] in PATHS and value not in ('None', 'True', 'False'):
        return key, value.strip('\'"')
    elif ',' not in value or _is_quoted(value):
        # mmengine would leave out the spaces.
        return key, DictAction._parse_int_float_bool(value.strip('\'"'))
    try:
        return key, DictAction._parse_iterable(value)
    except RecursionError:  # a text with a comma in brackets
        return key, value
    except AssertionError as error:  # mmengine counts brackets in quotes too
        fault = 'quotes around each text of a list in which one has brackets'
        raise ValueError(f'{short}: allowed: KEY=VALUE, {fault}') from error


def _is_quoted(value: str) -> bool:
    """Whether a value is one text in quotes."""
    return value[:1] in ('"', "'") and value[0] == value[-1] and value.count(value[0]) == 2


def _find_fault(value: str, is_path: bool) -> str | None:
    """What is missing in a value: quotes or brackets that are not closed.

    Brackets in quotes, and in the name of a file or folder, are letters.
    """
    if (value[:1] != value[-1:] and {value[:1], value[-1:]} & {'"', "'"}) or value in ('"', "'"):
        return 'quotes closed'
    if value.startswith(STRUCTURES):
        value = QUOTED.sub('', value)
    elif is_path or _is_quoted(value):
        return None
    opened: list[str] = []
    for letter in value:
        if letter in BRACKETS.values():
            opened.append(letter)
        elif letter in BRACKETS and (not opened or opened.pop() != BRACKETS[letter]):
            return 'brackets closed'
        if len(opened) > MAX_DEPTH:
            return f'brackets within brackets up to {MAX_DEPTH} deep'
    return 'brackets closed' if opened else None
