"""A temporary folder that processes of this machine share, and that does not outlive them."""

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path


class SharedFolder:
    """A folder for all processes of this user that give the same name, removed after the last.

    If the last one is killed, the next one of this user that makes any such folder removes it. On a
    file system without locks the folder is left.

    Args:
        name: The name.

    Attributes:
        path: The folder.

    Raises:
        OSError: It cannot be made, or is another user's.
    """

    def __init__(self, name: str) -> None:
        prefix = f'senet_mm-{os.getuid()}-'
        folder = Path(tempfile.gettempdir())
        self.path = folder / f'{prefix}{name}'
        for other in folder.glob(f'{prefix}*'):
            remove_unused(other)
        self._owner = os.getpid()
        self._lock: int | None = None
        while self._lock is None:  # another process may remove it just then
            self.path.mkdir(mode=0o700, exist_ok=True)
            if self.path.lstat().st_uid != os.getuid():
                raise PermissionError(f"{self.path} is another user's")
            try:
                self._lock = lock(self.path, fcntl.LOCK_SH)
            except OSError:  # as on Lustre without `-o flock`
                return
        atexit.register(self.close)

    def close(self) -> None:
        """This process needs the folder no more."""
        if self._lock is not None and os.getpid() == self._owner:
            fcntl.flock(self._lock, fcntl.LOCK_UN)  # forked processes have the lock, too
            os.close(self._lock)
            self._lock = None
            remove_unused(self.path)


def remove_unused(path: Path) -> None:
    """Remove a folder that no process holds."""
    with contextlib.suppress(OSError):
        held = lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if held is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(held)


def lock(path: Path, operation: int) -> int | None:
    """Lock a folder; returns the descriptor to close, None where the folder is held or gone.

    Args:
        path: The folder.
        operation: Of ``flock``.

    Raises:
        OSError: The file system has no locks.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    is_held = False
    try:
        fcntl.flock(file, operation)
        is_held = os.path.samestat(os.fstat(file), os.stat(path))
    except (BlockingIOError, FileNotFoundError):
        pass
    finally:
        if not is_held:
            os.close(file)
    return file if is_held else None
