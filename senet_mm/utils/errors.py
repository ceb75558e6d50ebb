"""Errors that answer the user, and errors of a program that fails in the middle of a run."""

import functools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from .names import printable
from .stack import name_missing_stack

P = ParamSpec('P')
T = TypeVar('T')

# Classes that libraries raise for wrong input.
REFUSALS = (ValueError, TypeError, KeyError, OSError, AssertionError, ImportError)


# How the message of an error begins that a process which reads data has raised, and that a data
# loader raises anew: with its traceback, after whose last place come class and message.
FROM_WORKER = re.compile(
    r'(?s)\s*Caught \w+ in [^\n]+\nOriginal Traceback .*\n  [^\n]*\n([\w.]+)(?:: |\s*$)'
)
# PyTorch's class is not imported here; cuDNN and cuBLAS raise a RuntimeError, as its CPU allocator.
OUT_OF_MEMORY = re.compile(r'out of memory|_ALLOC_FAILED|can\'t allocate memory')


class UserError(Exception):
    """The user's input is wrong: the message is complete, and a traceback is never shown.

    A subclass also derives from the built-in class that a caller in Python expects. The message is
    one line, whatever names of a stranger's file are in it.

    Attributes:
        exit_code: Of a tool that ends with it.
    """

    exit_code = 1

    def __str__(self) -> str:
        return one_line(_as_raised(' '.join(map(str, self.args))))


class InputError(UserError, ValueError):
    """A value that is not allowed; the message says what was given and what is allowed."""


class NonFiniteError(UserError, ArithmeticError):
    """Weights, or too many losses and gradients in a row, are NaN or infinite."""

    exit_code = 65  # EX_DATAERR of sysexits.h


class OutOfMemoryError(UserError, MemoryError):
    """The device has not enough memory; the message says what needs less."""


class ArgumentError(UserError, TypeError):
    """An argument that is not known, or a value of a type that is not allowed."""


class UnknownTypeError(UserError, KeyError):
    """A name that is not known, such as a ``type`` that is in no registry."""


class MissingFileError(UserError, FileNotFoundError):
    """A file that is not there."""


class FileExistsAlreadyError(UserError, FileExistsError):
    """A file that is there, and is not overwritten."""


class UnreachableError(UserError, ConnectionError):
    """An address that cannot be reached."""


class FileAccessError(UserError, OSError):
    """A file that cannot be read or written."""


class MissingModuleError(UserError, ImportError):
    """A package that is needed and is not installed."""


# Classes of others -> ours; the first that fits.
OWN_KINDS: dict[type[Exception], type[UserError]] = {
    FileNotFoundError: MissingFileError,
    FileExistsError: FileExistsAlreadyError,
    ConnectionError: UnreachableError,
    OSError: FileAccessError,
    ImportError: MissingModuleError,
    KeyError: UnknownTypeError,
    TypeError: ArgumentError,
    ValueError: InputError,
    AssertionError: InputError,
}
LONGEST = 4_000


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


def hides_interruption(error: BaseException | None) -> bool:
    """Whether a Ctrl-C led to an error: what mmengine formats as text, for one, catches all."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


def describe_lost_connection(error: BaseException) -> str | None:
    """One line for an error of a collective operation; None for other errors.

    The cause is another process, which says more or is gone.
    """
    while error.__cause__ is not None:  # raised where a part of a run was being built
        error = error.__cause__
    text = ' '.join(str(error).split())
    classes = {kind.__name__ for kind in type(error).__mro__}
    # gloo raises a plain RuntimeError, with its source file.
    if 'DistError' not in classes and not ('RuntimeError' in classes and '/gloo/' in text):
        return None
    if taken := re.search(r'port: (\d+),.*EADDRINUSE', text):
        return f'MASTER_PORT={taken[1]}: the port is taken; allowed: another MASTER_PORT'
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


def answering(function: Callable[P, T]) -> Callable[P, T]:
    """A function of the public API: wrong input raises a UserError, with the line of the tools."""

    @functools.wraps(function)
    def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except UserError:
            raise
        except Exception as error:
            if not is_answer(error):
                raise
            kind = next(own for other, own in OWN_KINDS.items() if isinstance(error, other))
            answer = kind(describe(error))
            vars(answer).update(vars(error))  # where in the config it is
            raise answer from error

    return answer


def missing_key(error: Exception) -> str | None:
    """The key of a config that is missing, where that is the error."""
    match = re.fullmatch(r"'ConfigDict' object has no attribute '(\w+)'", str(error))
    return match and match.group(1)


def describe(error: Exception) -> str:
    """The message of an error on one line, without the places that it passed through."""
    if key := missing_key(error):
        return f'the config has no key {key!r}'
    if line := name_missing_stack(error):
        return line
    if isinstance(error, UserError):
        return str(error) or type(error).__name__
    if isinstance(error, OSError) and error.filename and error.strerror:
        return one_line(f'{printable(str(error.filename))}: {error.strerror}')
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    line = one_line(_as_raised(text))
    # mmengine raises a KeyError with the text of another one, which has quotes.
    whole = re.fullmatch('"([^"]*)"', line) if isinstance(error, KeyError) else None
    return (whole[1] if whole else line) or type(error).__name__


def _as_raised(text: str) -> str:
    """The message with which a worker raised an error; that of another process as it is."""
    match = FROM_WORKER.match(text)
    return text[match.end() :] if match else text


def name_error(error: BaseException) -> str:
    """``CLASS: MESSAGE`` on one line; a UserError, whose message is complete, without its class."""
    if isinstance(error, UserError):
        return str(error)
    text = str(error.args[0]) if error.args else ''
    match = FROM_WORKER.match(text)
    text = text[match.start(1) :] if match else f'{type(error).__name__}: {error}'
    return one_line(text).strip(': ')


def one_line(text: str) -> str:
    """A text on one line: white space is one space, what a terminal would act on is escaped."""
    line = ' '.join(text[: 2 * LONGEST].split())
    if not line.isprintable():
        # As `printable` spells them.
        line = ''.join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
    return line if len(line) <= LONGEST else f'{line[:LONGEST]}...'
