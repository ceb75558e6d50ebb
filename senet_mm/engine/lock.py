"""One training in a work directory at a time."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log

from senet_mm.utils.errors import InputError
from senet_mm.utils.storage import StorageError

LOCK = '.lock'


class Lock:
    """A lock on a work directory; it goes with the process, however that ends.

    Args:
        work_dir: The work directory.
    """

    def __init__(self, work_dir: str | os.PathLike) -> None:
        self.path = Path(work_dir) / LOCK
        self._file: TextIO | None = None

    def take(self) -> None:
        """Lock the folder, or raise a ValueError if another process has."""
        # A record lock: processes that load data do not inherit it.
        file = open(self.path, 'a+')  # noqa: SIM115 it stays open as long as the run lasts
        file.seek(0)
        former = file.read()
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            file.close()
            raise InputError(
                f'another run trains in {self.path.parent}: {former or "an unknown process"}; '
                'allowed: another --work-dir, or to wait until that one ends'
            ) from error
        except OSError as error:
            self._say(f'cannot be locked ({error.strerror}); a second run in it is not noticed')
        if former and f' on {socket.gethostname()} ' not in former:
            self._say(
                f'was used by {former}, which did not note its end; if that still trains, end it: '
                'locks of some file systems do not reach other machines'
            )
        self._file = file
        start = time.strftime('%Y-%m-%d %H:%M:%S')
        self._write(f'process {os.getpid()} on {socket.gethostname()} since {start}')

    def keep(self) -> bool:
        """Lock the folder anew if it, or the file of its lock, was removed meanwhile.

        Returns:
            Whether that was so.

        Raises:
            ValueError: Another process has locked it since.
        """
        if self._file is None:
            return False
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(self._file.fileno()), os.stat(self.path)):
                return False
        self._file.close()
        self._file = None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.take()
        self._say('was removed, or its lock was; it is made anew, without what it held')
        return True

    def leave(self) -> None:
        """Note the end, and unlock."""
        if self._file is not None:
            self._write('')
            self._file.close()
            self._file = None

    def _write(self, text: str) -> None:
        """Replace the content of the file; on a full disk it stays without."""
        assert self._file is not None
        with contextlib.suppress(OSError):
            os.ftruncate(self._file.fileno(), 0)
            os.pwrite(self._file.fileno(), text.encode(), 0)

    def _say(self, what: str) -> None:
        print_log(f'work directory {self.path.parent} {what}', logger='current', level=30)


@contextlib.contextmanager
def locked(work_dir: str | os.PathLike) -> Iterator[Lock]:
    """Hold the work directory; the main process does.

    Raises:
        ValueError: Another process trains there; raised in all processes.
        StorageError: The folder cannot be written; raised in all processes.
    """
    lock = Lock(work_dir)
    error: Exception | None = None
    if is_main_process():
        try:
            lock.take()
        except InputError as refusal:
            error = refusal
        except OSError as failure:
            error = StorageError(f'work directory {work_dir} cannot be used: {failure.strerror}')
    answer = [error]
    broadcast_object_list(answer)
    if answer[0]:
        raise answer[0]
    try:
        yield lock
    finally:
        lock.leave()
