"""Checks of what a user gives, with one kind of message: what was given, what is allowed."""

import difflib
from collections.abc import Collection, Iterable, Mapping

from .errors import InputError


def check_option(name: str, given: object, allowed: Collection) -> None:
    """Raise an InputError that says what was given and what is allowed."""
    if given not in allowed:
        raise InputError(f'{name}={given!r} is not known; allowed: {", ".join(map(str, allowed))}')


def check_mapping(name: str, given: object, allowed: Collection[str]) -> None:
    """Raise an InputError unless a value is a dict that has no other keys than those allowed."""
    names = ', '.join(allowed)
    if not isinstance(given, Mapping):
        raise InputError(f'{name}={given!r}; allowed: a dict of {names}')
    for key in given:
        if key not in allowed:
            hint = suggest(str(key), allowed) or f'; allowed: a dict of {names}'
            raise InputError(f'{name}={dict(given)!r}: {key!r} is not known{hint}')


def suggest(name: str, allowed: Iterable[str], cutoff: float = 0.7) -> str:
    """``; did you mean 'NAME'?`` for the nearest of some names, or an empty string."""
    near = difflib.get_close_matches(name, allowed, n=1, cutoff=cutoff)
    return f'; did you mean {near[0]!r}?' if near else ''
