"""Reading of checkpoint files: as data, whole, and never more than memory holds."""

import os
from pathlib import Path
from typing import BinaryIO

import safetensors.torch
import torch

from senet_mm.utils.errors import InputError
from senet_mm.utils.files import check_memory, check_regular_file, is_exported

from .archive import is_archive, read_archive
from .digest import check_hash
from .foreign import with_conversion
from .notes import note
from .pickle_outline import RefusedError, read_outline
from .stand_ins import only_stand_ins, to_plain

# The pickled number with which torch's legacy format begins.
MAGIC = b'\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.'
# The pickles of torch's legacy format: the number, version, system, content, keys of storages.
LEGACY_PICKLES, LEGACY_CONTENT = 5, 3


def load_from_local(filename: str | os.PathLike, map_location: str | None = None) -> object:
    """Read a checkpoint, a file of torch or ``.safetensors``, as tensors and plain data.

    Nothing that the file names is called, but for torch's functions that build tensors.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is an exported network, holds more than data, is damaged, has the hash
            of another one in its name, or is larger than the memory of this machine.
    """
    filename = os.path.expanduser(filename)
    check_regular_file(filename, 'checkpoint')
    if is_exported(filename):
        raise InputError(
            f'checkpoint {filename} is an exported network; allowed: a checkpoint; '
            'tools/predict.py takes exported networks'
        )
    check_memory(filename, 'checkpoint')
    check_hash(filename)
    content: object
    try:
        if Path(filename).suffix == '.safetensors':
            content = safetensors.torch.load_file(filename, device=str(map_location or 'cpu'))
        else:
            content = _load(filename, map_location)
    except RefusedError as error:
        message = f'checkpoint {filename} is refused: {error}; allowed: tensors and plain data'
        raise InputError(with_conversion(message, filename)) from error
    except Exception as error:  # whatever torch, pickle and numpy raise for damaged files
        reason = (str(error) or type(error).__name__).splitlines()[0]
        message = f'checkpoint {filename} is damaged or no checkpoint: {reason}'
        raise InputError(with_conversion(message, filename)) from error
    _check_meta(content, filename)
    return content


def _load(filename: str, map_location: str | None) -> object:
    """The content of a file of torch."""
    with open(filename, 'rb') as file:
        if is_archive(file):
            check_archive(file)
        else:
            _check_legacy(file)
            note(
                f'checkpoint {filename} has the format of torch before 1.6, without checksums; '
                'compare its SHA-256 with that of its source'
            )
        file.seek(0)
        with only_stand_ins():
            content = torch.load(file, map_location=map_location, weights_only=True, mmap=False)
        return to_plain(content, file.seek(0, 2))


def check_archive(file: BinaryIO) -> None:
    """Check every byte of an archive; every storage must be as large as its record.

    Raises:
        ValueError: It is damaged, or holds more than data (``RefusedError``).
    """
    archive = read_archive(file)
    for key, size in read_outline(archive.pickle).storages.items():
        if archive.storages.get(key) != size:
            raise ValueError(f'storage {key} has {archive.storages.get(key)} bytes, not {size}')


def _check_legacy(file: BinaryIO) -> None:
    """Check the pickles of a file of torch before 1.6."""
    size = file.seek(0, 2)
    file.seek(0)
    if MAGIC not in file.read(64):
        raise RefusedError('it is no checkpoint')
    file.seek(0)
    outlines = [read_outline(file) for _ in range(LEGACY_PICKLES)]
    if sum(outlines[LEGACY_CONTENT].storages.values()) > size:
        raise ValueError('its storages are larger than the file')


def _check_meta(content: object, filename: str) -> None:
    """Raise a ValueError for metadata that are no dict; a state dict may have a tensor ``meta``."""
    meta = content.get('meta') if isinstance(content, dict) else None
    if not isinstance(meta, dict | torch.Tensor | None):
        raise InputError(
            f'checkpoint {filename} has a meta of type {type(meta).__name__}; allowed: a dict'
        )
