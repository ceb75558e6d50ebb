"""Files and folders: safe to write, safe to read."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import InputError, MissingFileError
from .names import printable

FILE_KINDS = {
    stat.S_IFBLK: 'a device',
    stat.S_IFCHR: 'a device',
    stat.S_IFDIR: 'a folder',
    stat.S_IFIFO: 'a fifo',
    stat.S_IFSOCK: 'a socket',
}
# Files that are being written, or that a killed process left.
TEMPORARY = '.*.tmp'
# Suffixes of what tools/deploy.py writes, kinds of senet_mm/deploy/containers.py.
EXPORTED = ('.onnx', '.pt2', '.xml')


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A file to write that appears at ``path`` once its last byte is on the disk.

    A link stays, and the file that it leads to is replaced. After an error ``path`` is unchanged,
    and its folder holds no other file.

    Raises:
        FileNotFoundError: The folder does not exist.
        InputError: There is something else than a file, such as a folder, a device or a fifo.
        OSError: Of the folder, with ``path`` as its name.
    """
    target = _find_target(path)
    temporary = _make_beside(target, path)
    try:
        with open(temporary, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        _flush_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def output_file(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Like :func:`atomic_file`; a character device and a fifo are written as they are."""
    if not is_stream(path):
        with atomic_file(path) as file:
            yield file
        return
    with open(path, 'ab') as file:  # stdout may be a file that has content
        yield file


def is_stream(path: str | os.PathLike) -> bool:
    """Whether a path is written as it is: a character device, a fifo, or this process's stdout."""
    try:
        status = os.stat(path)
        is_stdout = os.path.samestat(status, os.fstat(1))
    except OSError:
        return False
    return is_stdout or stat.S_ISCHR(status.st_mode) or stat.S_ISFIFO(status.st_mode)


def check_writable(path: str | os.PathLike) -> None:
    """Raise what :func:`output_file` would raise, before there is anything to write."""
    if not is_stream(path):
        _make_beside(_find_target(path), path).unlink()


def _find_target(path: str | os.PathLike) -> Path:
    """Where a file is written: at a path, or where the link leads that is there.

    Raises:
        FileNotFoundError: Its folder does not exist.
        InputError: There is something else than a file.
    """
    path = Path(path)
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if target.parent.exists() and not target.parent.is_dir():
        raise InputError(f'{path}: {target.parent} is no folder; allowed: a file in a folder')
    if not target.parent.is_dir():
        raise FileNotFoundError(f'folder {target.parent} does not exist')
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f'{path} is {name_kind(path)}; allowed: a file, or a new name')
    return target


def _make_beside(target: Path, given: str | os.PathLike) -> Path:
    """A new file in the folder of another; an error names the path that was given."""
    temporary = target.with_name(f'.{secrets.token_hex(8)}.tmp')
    try:
        open(temporary, 'xb').close()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(given)) from error
    return temporary


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


def check_folder(path: str | os.PathLike, what: str) -> None:
    """Raise an InputError for a path to write to that is there, and is no folder."""
    if os.path.exists(path) and not os.path.isdir(path):
        kind = 'a file' if os.path.isfile(path) else name_kind(path)
        raise InputError(f'{what} {printable(path)} is {kind}; allowed: a folder')


def is_exported(path: str | os.PathLike) -> bool:
    """Whether a file is an exported network, by its suffix."""
    return Path(path).suffix.lower() in EXPORTED


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
        raise MissingFileError(f'{what} {printable(path)} does not exist') from error
    if not stat.S_ISREG(mode):
        raise InputError(f'{what} {printable(path)} is {name_kind(path)}; allowed: a regular file')


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


def read_inside(path: str | os.PathLike, folder: str | os.PathLike, most: int) -> bytes:
    """The content of a file in a folder that may be a stranger's.

    Args:
        path: The file.
        folder: The folder.
        most: Bytes that are read at most; a sparse file of any size takes no room in an archive.

    Raises:
        MissingFileError: There is no file.
        InputError: It is no regular file, a link leads out of the folder, or it is larger.
        OSError: It cannot be read.
    """
    check_inside(path, folder)
    check_regular_file(path)
    with open(path, 'rb') as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise InputError(f'{path} has {os.path.getsize(path)} bytes; allowed: up to {most}')
    return content
