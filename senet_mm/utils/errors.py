"""Errors that answer the user, and errors of a program that fails in the middle of a run."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Classes that libraries raise for wrong input.
REFUSALS = (ValueError, TypeError, KeyError, OSError, AssertionError, ImportError)


# PyTorch's class is not imported here; cuDNN and cuBLAS raise a RuntimeError, as its CPU allocator.
OUT_OF_MEMORY = re.compile(r'out of memory|_ALLOC_FAILED|can\'t allocate memory')


class UserError(Exception):
    """The user's input is wrong: the message is complete, and a traceback is never shown.

    A subclass also derives from the built-in class that a caller in Python expects.

    Attributes:
        exit_code: Of a tool that ends with it.
    """

    exit_code = 1


class InputError(UserError, ValueError):
    """A value that is not allowed; the message says what was given and what is allowed."""


class NonFiniteError(UserError, ArithmeticError):
    """Weights, or too many losses and gradients in a row, are NaN or infinite."""

    exit_code = 65  # EX_DATAERR of sysexits.h


class OutOfMemoryError(UserError, MemoryError):
    """The device has not enough memory; the message says what needs less."""


@contextmanager
def working() -> Iterator[None]:
    """Marks work after all checks, such as training: in it only a UserError answers the user.

    Before it, a tool reads the user's input, and libraries refuse wrong input with one of
    :data:`REFUSALS`, which then counts as an answer.
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
    return isinstance(error, REFUSALS) and not has_worked(error)


def has_worked(error: Exception) -> bool:
    """Whether an error came up in the middle of :func:`working`."""
    return vars(error).get('while_working', False)


def describe_lost_connection(error: BaseException) -> str | None:
    """One line for an error of a collective operation; None for other errors.

    The cause is another process, which says more or is gone.
    """
    text = ' '.join(str(error).split())
    classes = {kind.__name__ for kind in type(error).__mro__}
    # gloo raises a plain RuntimeError, with its source file.
    if 'DistError' not in classes and not ('RuntimeError' in classes and '/gloo/' in text):
        return None
    text = re.sub(r'\[/[^]]*/gloo/[^]]*\] ', '', text)
    return f'the connection to another process is lost: {text.partition(". This is")[0]}'


@contextmanager
def answering_memory(advise: Callable[[], str]) -> Iterator[None]:
    """Turns an error of a device whose memory is full into one line.

    Args:
        advise: Says what was given and what needs less.

    Raises:
        OutOfMemoryError: The memory did not suffice.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = ' '.join(str(error).split())
        if isinstance(error, UserError) or not OUT_OF_MEMORY.search(text):
            raise
        wanted = re.search(r'allocate \d[\d.]* ?\w+', text)
        what = f' ({wanted[0]} more)' if wanted else ''
        raise OutOfMemoryError(f'out of memory{what}: {advise()}') from error
