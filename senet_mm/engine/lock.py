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

from senet_mm.utils.errors import InputError

LOCK = '.lock'


@contextlib.contextmanager
def locked(work_dir: str | os.PathLike) -> Iterator[None]:
    """Hold the work directory; the lock goes with the process, however that ends.

    Raises:
        ValueError: Another process trains there; raised in all processes.
    """
    file, owner = _lock(Path(work_dir) / LOCK) if is_main_process() else (None, None)
    answer = [owner]
    broadcast_object_list(answer)
    if answer[0]:
        raise InputError(
            f'another run trains in {work_dir}: {answer[0]}; allowed: another --work-dir, or to '
            'wait until that one ends'
        )
    try:
        yield
    finally:
        if file:
            file.close()


def _lock(path: Path) -> tuple[TextIO | None, str | None]:
    """An open, locked file, and None; or None, and who holds it."""
    # A record lock: processes that load data do not inherit it.
    file = open(path, 'a+')  # noqa: SIM115 it stays open as long as the run lasts
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        owner = file.read() or 'an unknown process'
        file.close()
        return None, owner
    file.truncate(0)
    start = time.strftime('%Y-%m-%d %H:%M:%S')
    file.write(f'process {os.getpid()} on {socket.gethostname()} since {start}')
    file.flush()
    return file, None
