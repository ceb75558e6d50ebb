"""Lines about a file of weights, once: it is read for its record first, then for its tensors."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mmengine.logging import print_log

_IS_FIRST = ContextVar('is_first', default=False)


@contextmanager
def reading_record() -> Iterator[None]:
    """In it :func:`note` logs nothing: the file is read again, and its lines come then."""
    token = _IS_FIRST.set(True)
    try:
        yield
    finally:
        _IS_FIRST.reset(token)


def note(line: str) -> None:
    """Log a line about a file of weights."""
    if not _IS_FIRST.get():
        print_log(line, logger='current')
