"""The hash in the name of a file: NAME-HEX.pth, HEX being 8 to 64 digits of its SHA-256."""

import contextlib
import hashlib
import os
import re
from datetime import datetime
from pathlib import Path

from senet_mm.utils.errors import InputError

# The names of torch.hub and of tools/model_converters/publish_model.py.
HASH_IN_NAME = re.compile(r'-([0-9a-f]{8,64})\.[\w.]+$')


def find_hash(name: str) -> str | None:
    """The hash in the name of a file; None for a name without one, or with a date in its place."""
    match = HASH_IN_NAME.search(name)
    if match is None or _is_date(match[1]):
        return None
    return match[1]


def _is_date(digits: str) -> bool:
    if digits.startswith(('19', '20')) and len(digits) == len('YYYYMMDD'):
        with contextlib.suppress(ValueError):
            return bool(datetime.strptime(digits, '%Y%m%d'))
    return False


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def check_hash(path: str | os.PathLike) -> None:
    """Raise an InputError for a file whose name has the hash of another one."""
    wanted = find_hash(Path(path).name)
    if wanted and not (found := sha256(path)).startswith(wanted):
        raise InputError(
            f'{path} is damaged or another file: its SHA-256 begins with {found[: len(wanted)]}; '
            'allowed: a file that has the hash in its name, or a name without a hash'
        )
