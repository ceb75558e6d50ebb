"""Checkpoints from a URL: fetched once, never used without a hash that fits."""

import re
import socket
import sys
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.parse import urldefrag, urlsplit

import torch
from filelock import FileLock
from mmengine.logging import print_log

from senet_mm.utils.errors import InputError, UnreachableError

from .digest import find_hash, sha256
from .safe_load import load_from_local

# Seconds without data after which a server counts as gone.
TIMEOUT = 60.0
HASH_IN_FRAGMENT = re.compile(r'sha256=([0-9a-f]{8,64})$', re.IGNORECASE)


def split_url(url: str) -> tuple[str, str, str]:
    """Address to fetch, file name in the cache, first digits of the SHA-256.

    Raises:
        ValueError: The URL has no hash.
    """
    address, fragment = urldefrag(url)
    path = PurePosixPath(urlsplit(address).path)
    digest: str | None
    if match := HASH_IN_FRAGMENT.match(fragment):
        digest = match[1].lower()
        return address, f'{path.stem}-{digest[:8]}{path.suffix}', digest
    if not fragment and (digest := find_hash(path.name)):
        return address, path.name, digest
    raise InputError(
        f'{url} has no hash; allowed: {address}#sha256=HEX, or a file named NAME-HEX.pth, '
        'HEX being 8 to 64 digits of the SHA-256'
    )


def fetch(url: str) -> Path:
    """The file behind a URL, in the cache of ``torch.hub``.

    It is fetched where the cache has no file of this hash, by one process of a machine at a time.

    Args:
        url: ``https://HOST/NAME-HEX.pth`` or ``https://HOST/NAME#sha256=HEX``.

    Raises:
        ValueError: The URL has no hash, or what it gives has another one.
        ConnectionError: It cannot be fetched.
    """
    address, name, digest = split_url(url)
    file = Path(torch.hub.get_dir()) / 'checkpoints' / name
    if _fits(file, digest):
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f'{file}.lock'):
        if not _fits(file, digest):
            _download(address, file, digest)
    return file


def _fits(file: Path, digest: str) -> bool:
    """Whether a file is there and has the hash."""
    return file.is_file() and sha256(file).startswith(digest)


def _download(address: str, file: Path, digest: str) -> None:
    """Fetch a file under its final name; one with another hash is removed."""
    print_log(f'fetching {address} into {file}', logger='current')
    file.unlink(missing_ok=True)  # of another hash: cut off, or changed since
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # torch gives none: a server that falls silent holds it
    try:
        torch.hub.download_url_to_file(address, str(file), digest, progress=sys.stderr.isatty())
    except RuntimeError as error:
        raise InputError(f'{address} is refused and removed: {error}') from error
    except (OSError, HTTPException) as error:
        raise UnreachableError(
            f'{address} cannot be fetched ({error}); fetch it where there is a network and give '
            f'the path of the file, or put it at {file}'
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def load_from_url(filename: str, map_location: str | None = None) -> object:
    """Read a checkpoint from a URL, see :func:`fetch` and :func:`load_from_local`."""
    return load_from_local(str(fetch(filename)), map_location)
