"""Checks of what a user gives, with one kind of message."""

from collections.abc import Collection


def check_option(name: str, given: object, allowed: Collection) -> None:
    """Raise a ValueError that says what was given and what is allowed."""
    if given not in allowed:
        raise ValueError(f'{name}={given!r} is not known; allowed: {", ".join(map(str, allowed))}')
