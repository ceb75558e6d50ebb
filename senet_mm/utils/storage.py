"""Disks that are full, read-only or gone."""

import contextlib
import errno
import os
from collections.abc import Iterator

from .errors import UserError

# Errors of a file system on which nothing can be written any more.
NO_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class StorageError(UserError, OSError):
    """A file of a run cannot be written; files that were written before are whole."""

    exit_code = os.EX_IOERR


def find_reason(error: BaseException | None) -> str | None:
    """What the file system says, in an error or in one that it follows; None where it is another.

    torch's writer raises an error of its own after the file's.
    """
    while error is not None:
        if isinstance(error, OSError):
            return error.strerror or str(error)
        error = error.__cause__ or error.__context__
    return None


@contextlib.contextmanager
def answering_storage(folder: str | os.PathLike = '') -> Iterator[None]:
    """Turn the error of a disk that is full or read-only into a :class:`StorageError`.

    Args:
        folder: Named where the error names no file, as an error of writing.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError) or error.errno not in NO_STORAGE:
            raise
        place = error.filename or folder
        what = f'{place}: {error.strerror}' if place else error.strerror
        raise StorageError(f'{what}; allowed: a disk that can be written, and has space') from error
