"""Files of a bucket on a disk of the machine, and the error of both."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from senet_mm.utils.errors import UserError
from senet_mm.utils.files import atomic_file, check_regular_file


class BucketError(UserError, OSError):
    """A file of a bucket that cannot be read; it ends the run.

    Args:
        message: Address and reason on one line.
    """

    def __init__(self, message: str) -> None:
        # A data loader raises a worker's error anew with the worker's traceback as its message.
        super().__init__(message.rpartition('BucketError: ')[2].strip())


def is_whole(path: Path, size: int) -> bool:
    """Whether a file is there and has its size.

    Raises:
        ValueError: Something other than a file is there.
    """
    if not path.exists():
        return False
    check_regular_file(path, 'shard')
    return path.stat().st_size == size


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn errors of the disk into a BucketError that names what should be written."""
    try:
        yield
    except BucketError:
        raise
    except OSError as error:
        raise BucketError(
            f'{path} cannot be written ({error.strerror or error}); allowed for cache_dir: a '
            'folder to write, with room for all shards'
        ) from error


def keep(path: Path, data: bytes) -> None:
    """Write a file unless it has this content: a full cache may be read-only."""
    with writing(path):
        if not path.exists() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as file:
                file.write(data)
