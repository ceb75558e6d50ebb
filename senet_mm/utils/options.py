"""Checks of what a user gives, with one kind of message."""

import difflib
from collections.abc import Collection, Iterable


def check_option(name: str, given: object, allowed: Collection) -> None:
    """Raise a ValueError that says what was given and what is allowed."""
    if given not in allowed:
        raise ValueError(f'{name}={given!r} is not known; allowed: {", ".join(map(str, allowed))}')


def suggest(name: str, allowed: Iterable[str], cutoff: float = 0.7) -> str:
    """``; did you mean 'NAME'?`` for the nearest of some names, or an empty string."""
    near = difflib.get_close_matches(name, allowed, n=1, cutoff=cutoff)
    return f'; did you mean {near[0]!r}?' if near else ''
