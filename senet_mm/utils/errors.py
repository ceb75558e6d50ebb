"""Errors that answer the user, and those of a program that fails in the middle of its work."""

from collections.abc import Iterator
from contextlib import contextmanager

# Classes by which libraries refuse what they are given.
REFUSALS = (ValueError, TypeError, KeyError, OSError, AssertionError, ImportError)


class UserError(Exception):
    """What the user gave is wrong: the message says all, and no traceback is shown, ever.

    A subclass derives from the built-in class as well that a caller in Python expects.
    """


class InputError(UserError, ValueError):
    """A value that is not allowed; the message says what was given and what is allowed."""


@contextmanager
def working() -> Iterator[None]:
    """What comes after all checks, such as training: of the errors in it only UserErrors answer.

    A tool that has not come so far is reading what the user gave, by libraries too, which refuse
    it by :data:`REFUSALS`.
    """
    try:
        yield
    except Exception as error:
        vars(error).setdefault('while_working', True)
        raise


def is_answer(error: Exception) -> bool:
    """Whether an error answers what the user gave, so that its message is enough."""
    if isinstance(error, UserError):
        return True
    return isinstance(error, REFUSALS) and not vars(error).get('while_working', False)
