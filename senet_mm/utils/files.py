"""Files and folders: safe to write, safe to read."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import InputError, MissingFileError

FILE_KINDS = {
    stat.S_IFBLK: 'a device',
    stat.S_IFCHR: 'a device',
    stat.S_IFDIR: 'a folder',
    stat.S_IFIFO: 'a fifo',
    stat.S_IFSOCK: 'a socket',
}
# Files that are being written, or that a killed process left.
TEMPORARY = '.*.tmp'


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A file to write that appears at ``path`` once its last byte is on the disk.

    After an error ``path`` is unchanged, and its folder holds no other file.

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
        _flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_local(folder: str | os.PathLike | None, what: str) -> None:
    """Raise a ValueError for the address of a remote folder; a path of that name would be made.

    Args:
        folder: What a user gave.
        what: The option, for the message.
    """
    if folder is not None and '://' in str(folder):
        raise InputError(f'{what}={folder}; allowed: a path, of a local or mounted folder')


def check_empty(folder: Path) -> None:
    """Raise a ValueError for an output folder that is not empty."""
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f'{folder} is not empty; allowed: a new or an empty folder')


def check_regular_file(path: str | os.PathLike, what: str = 'file') -> None:
    """Raise an error for anything but a regular file; opening a fifo would block for ever.

    Args:
        path: Path that a user gave.
        what: What it is for, for the message.

    Raises:
        FileNotFoundError: The path does not exist.
        ValueError: It is not a regular file.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f'{what} {path} does not exist') from error
    if not stat.S_ISREG(mode):
        raise InputError(f'{what} {path} is {name_kind(path)}; allowed: a regular file')


def name_kind(path: str | os.PathLike) -> str:
    """What is at a path: ``a folder``, ``a fifo``, ...; a regular file is ``no file``."""
    return FILE_KINDS.get(stat.S_IFMT(os.stat(path).st_mode), 'no file')


def check_memory(path: str | os.PathLike, what: str = 'file') -> None:
    """Raise an InputError for a file that is larger than the memory of this machine.

    A sparse file takes no room on a disk: one of a terabyte would be read for minutes.
    """
    size = os.path.getsize(path)
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    if size > memory:
        raise InputError(
            f'{what} {path} has {size / 1e9:.3g} GB; allowed: less than the memory of this '
            f'machine, {memory / 1e9:.3g} GB'
        )


def check_inside(path: str | os.PathLike, folder: str | os.PathLike) -> None:
    """Raise a ValueError for a path that leads out of a folder, also by a symbolic link."""
    if not Path(path).resolve().is_relative_to(Path(folder).resolve()):
        raise InputError(f'{path} leads out of {folder}; allowed: files in it')
