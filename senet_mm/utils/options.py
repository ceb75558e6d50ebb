"""Checks of a user's input; every message says what was given and what is allowed."""

import difflib
import math
import re
from collections.abc import Collection, Iterable, Mapping
from numbers import Integral, Real
from typing import TypeGuard

from .errors import InputError

# Most numbers that an error lists.
LISTED = 20


def check_option(name: str, given: object, allowed: Collection) -> None:
    """Raise an InputError that says what was given and what is allowed."""
    if given in list(allowed):  # `in` on a dict needs a hashable value
        return
    listed = ', '.join(map(str, allowed))
    if isinstance(allowed, range) and len(allowed) > LISTED:
        listed = f'{allowed[0]} to {allowed[-1]}'
    raise InputError(f'{name}={given!r} is not known; allowed: {listed}')


def check_mapping(name: str, given: object, allowed: Collection[str]) -> None:
    """Raise an InputError unless a value is a dict that has no other keys than those allowed."""
    names = ', '.join(allowed)
    if not isinstance(given, Mapping):
        raise InputError(f'{name}={given!r}; allowed: a dict of {names}')
    for key in given:
        if key not in allowed:
            hint = suggest(str(key), allowed) or f'; allowed: a dict of {names}'
            raise InputError(f'{name}={dict(given)!r}: {key!r} is not known{hint}')


def check_config(name: str, given: object) -> None:
    """Raise an InputError unless a value is a config of something: a dict with a ``type``."""
    if not isinstance(given, Mapping) or 'type' not in given:
        raise InputError(f'{name}={given!r}; allowed: a dict with a type')


def check_integer(name: str, given: object, least: int = 1) -> None:
    """Raise an InputError unless a value is a whole number from the least one that is allowed."""
    if not is_integer(given) or given < least:
        raise InputError(f'{name}={given!r}; allowed: whole numbers from {least}')


def read_integer(name: str, given: str, least: int = 1) -> int:
    """A whole number from its text; raises an InputError unless it is one that is allowed."""
    value = int(given) if re.fullmatch(r'-?[0-9]+', given) else given
    check_integer(name, value, least)
    return int(value)


def check_integers(name: str, given: object, least: int = 1) -> None:
    """Raise an InputError unless a value is a list or tuple of such numbers, and not empty."""
    is_other = isinstance(given, str | bytes | Mapping)
    numbers = list(given) if isinstance(given, Collection) and not is_other else []
    if not numbers or not all(is_integer(number) and number >= least for number in numbers):
        raise InputError(f'{name}={given!r}; allowed: a list of whole numbers from {least}')


def is_integer(given: object) -> TypeGuard[int]:
    """Whether a value is a whole number, and not True or False, which Python counts as 1 and 0."""
    return isinstance(given, Integral) and not isinstance(given, bool)


def is_number(given: object, least: float, below: float = math.inf) -> bool:
    """Whether a value is a number from a least one, below another one."""
    return isinstance(given, Real) and least <= float(given) < below


def check_rate(name: str, given: object) -> None:
    """Raise an InputError unless a value is a probability of dropping something, below 1."""
    if not is_number(given, 0, below=1):
        raise InputError(f'{name}={given!r}; allowed: numbers from 0, below 1')


def shorten(text: str, length: int = 80) -> str:
    """A text; of a long one its beginning, and how long it is."""
    return text if len(text) <= length else f'{text[:length]}... ({len(text)} characters)'


def suggest(name: str, allowed: Iterable[str], cutoff: float = 0.7) -> str:
    """``; did you mean 'NAME'?`` for the nearest of some names, or an empty string."""
    near = difflib.get_close_matches(name, allowed, n=1, cutoff=cutoff)
    return f'; did you mean {near[0]!r}?' if near else ''
