"""Writing of files and folders."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A file to write that comes to ``path`` after its last byte is on the disk.

    After an error, ``path`` is what it was before, and nothing else is left in its folder.

    Raises:
        FileNotFoundError: The folder does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f'folder {path.parent} does not exist')
    temporary = path.with_name(f'.{secrets.token_hex(8)}.tmp')
    try:
        with open(temporary, 'xb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_empty(folder: Path) -> None:
    """Raise a ValueError for a folder to write that holds something already."""
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f'{folder} is not empty; allowed: a new or an empty folder')
