"""Files of an S3 bucket, fetched whole, once per machine."""

import io
import math
import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from filelock import FileLock
from mmengine.logging import print_log

from .bucket_cache import BucketError, is_whole, writing

if TYPE_CHECKING:
    from botocore.client import BaseClient

ATTEMPTS = 5
PIECE = 2**14
# Bytes per second. A connection that is slower for as long as the timeout counts as broken.
SLOWEST = 10_000
# Limits of a timeout, in seconds. The upper one stays clear of `threading.TIMEOUT_MAX`.
SHORTEST, LONGEST = 0.01, 86_400


@dataclass(frozen=True)
class Bucket:
    """The files of a bucket whose keys begin with a prefix.

    boto3 reads region, credentials and server from the environment (``AWS_ENDPOINT_URL``, ...).

    Args:
        address: ``s3://BUCKET/PREFIX``; trailing slashes are dropped.
        timeout: Seconds without data after which a connection counts as broken.
    """

    address: str
    timeout: float = 30

    def __post_init__(self) -> None:
        given = str(self.address)
        if not given.startswith('s3://') or not given.removeprefix('s3://').partition('/')[0]:
            raise ValueError(f'address {self.address!r}; allowed: s3://BUCKET/PREFIX')
        # Caches are named after the address, so its slashes are normalised.
        object.__setattr__(self, 'address', f's3://{self.name}/{self.prefix}'.rstrip('/'))
        is_number = isinstance(self.timeout, int | float) and not isinstance(self.timeout, bool)
        if not is_number or math.isnan(self.timeout) or not SHORTEST <= self.timeout <= LONGEST:
            raise ValueError(f'timeout={self.timeout!r}; allowed: seconds, {SHORTEST} to {LONGEST}')

    @property
    def name(self) -> str:
        """Name of the bucket."""
        return self.address.removeprefix('s3://').partition('/')[0]

    @property
    def prefix(self) -> str:
        """Prefix of the keys, with a trailing slash unless empty."""
        prefix = self.address.removeprefix('s3://').partition('/')[2].strip('/')
        return f'{prefix}/' if prefix else ''

    def list(self) -> dict[str, int]:
        """Sizes of the files in bytes, by their names below the address."""
        sizes: dict[str, int] = {}
        for attempt in range(1, ATTEMPTS + 1):
            with _Attempt(self.address, attempt, self.timeout):
                paginator = self.client.get_paginator('list_objects_v2')
                for page in paginator.paginate(Bucket=self.name, Prefix=self.prefix):
                    for item in page.get('Contents', ()):
                        sizes[item['Key'].removeprefix(self.prefix)] = item['Size']
                break
        return sizes

    def read(self, name: str, size: int) -> bytes:
        """The bytes of a file of this size, see :meth:`fetch`."""
        file = io.BytesIO()
        self._download(name, size, file)
        return file.getvalue()

    def fetch(self, name: str, size: int, path: Path) -> None:
        """Download a file to ``path`` unless a file of this size is there.

        One process per machine downloads while the others wait. ``path`` never holds a part.

        Args:
            name: Name below the address.
            size: Its size in bytes.
            path: Where it goes; its folder must exist.

        Raises:
            BucketError: All attempts failed, or the file cannot be written.
            ValueError: ``path`` is not a file.
        """
        if is_whole(path, size):
            return
        with writing(path), FileLock(path.with_name(f'.{path.name}.lock')):
            if is_whole(path, size):
                return
            part = path.with_name(f'.{path.name}.part')
            try:
                with part.open('wb') as file:
                    self._download(name, size, file)
                    os.fsync(file.fileno())
                os.replace(part, path)
            finally:
                if part.is_file():  # after an error there may be a folder
                    part.unlink()

    def _download(self, name: str, size: int, file: BinaryIO) -> None:
        """Write all bytes; after a broken connection resume at the byte reached."""
        where = f'{self.address}/{name}'
        version: dict[str, str] = {}
        for attempt in range(1, ATTEMPTS + 1):
            with _Attempt(where, attempt, self.timeout):
                done = file.tell()
                given = self.client.get_object(
                    Bucket=self.name,
                    Key=self.prefix + name,
                    **(dict(Range=f'bytes={done}-') if done else {}),
                    **version,
                )
                version = dict(IfMatch=given['ETag'])
                with closing(given['Body']) as body:
                    for piece in self._pieces(body, where):
                        with writing(getattr(file, 'name', name)):
                            file.write(piece)
            if file.tell() == size:
                return
            if file.tell() > size:
                break
        raise BucketError(f'{where} has {file.tell()} bytes; the listing says {size}')

    def _pieces(self, body: BinaryIO, where: str) -> Iterator[bytes]:
        """Yields the received bytes; logs a line if the connection is slow.

        Raises:
            TimeoutError: Slower than ``SLOWEST`` for ``timeout`` seconds.
        """
        start, received = time.monotonic(), 0
        while piece := body.read(PIECE):
            yield piece
            received += len(piece)
            seconds = time.monotonic() - start
            if seconds > self.timeout:
                rate = received / seconds
                print_log(f'{where}: {rate / 1e6:.3g} MB/s, a slow connection', logger='current')
                if rate < SLOWEST:
                    raise TimeoutError(f'{rate:.0f} bytes per second')
                start, received = time.monotonic(), 0

    @property
    def client(self) -> 'BaseClient':
        """boto3's client, one per process."""
        return _client(os.getpid(), self.timeout)


@dataclass
class _Attempt:
    """Suppresses temporary errors with a log line and a pause; others become a BucketError."""

    where: str
    number: int
    timeout: float

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception) or isinstance(error, BucketError):
            return False
        from botocore.exceptions import BotoCoreError, ClientError

        if not isinstance(error, BotoCoreError | ClientError | OSError):
            return False
        reason = ' '.join(str(error).split())
        if not _is_temporary(error) or self.number == ATTEMPTS:
            tried = f' ({self.number} attempts)' if self.number > 1 else ''
            raise BucketError(f'{self.where} cannot be fetched: {reason}{tried}') from error
        pause = min(2 ** (self.number - 1), self.timeout)
        print_log(f'{self.where}: {reason}; again in {pause:g} s', logger='current')
        time.sleep(pause)
        return True


def _is_temporary(error: Exception) -> bool:
    """Whether an error comes from the connection or an overloaded server."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        status = error.response.get('ResponseMetadata', {}).get('HTTPStatusCode', 0)
        return status >= 500 or status in (408, 429)
    broken = (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.IncompleteReadError,
        TimeoutError,
        ConnectionError,
    )
    return isinstance(error, broken)


@cache
def _client(process: int, timeout: float) -> 'BaseClient':
    """An S3 client; connections do not survive a fork."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ImportError(
            "StreamedImageNet needs boto3: pip install 'senet_mm[streaming]'"
        ) from error
    options = Config(
        connect_timeout=timeout, read_timeout=timeout, retries=dict(total_max_attempts=1)
    )
    return boto3.session.Session().client('s3', config=options)
