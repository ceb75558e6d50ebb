"""The zip archive of a checkpoint: whole, unambiguous, nothing compressed.

torch reads an archive without comparing its CRC-32, so that damaged weights load.
"""

import contextlib
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

ZIP_START, ZIP_END, ZIP_END_SIZE = b'PK\x03\x04', b'PK\x05\x06', 22
# What stands before the end of an archive of 4 GiB or more: the place of its own end, and that.
LARGE_END, LARGE_END_SIZE = b'PK\x06\x07', 20 + 56
# Bytes of a directory of about 100,000 records, each of which takes 1 kB of memory.
MAX_DIRECTORY = 1 << 23


class Archive(NamedTuple):
    """The pickle of an archive, and the size in bytes of the record of every storage."""

    pickle: bytes
    storages: dict[str, int]


def is_archive(file: BinaryIO) -> bool:
    """Whether torch reads an open file as an archive, and not as its legacy format."""
    file.seek(0)
    return file.read(len(ZIP_START)) == ZIP_START


@contextlib.contextmanager
def open_archive(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """An open file as an archive whose directory is right.

    Raises:
        ValueError: It is damaged or not as torch writes it; the message is the reason.
    """
    _check_end(file)
    try:
        with zipfile.ZipFile(file) as archive:
            _check_records(archive.infolist(), file.seek(0, 2))
            yield archive
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error


def read_archive(file: BinaryIO) -> Archive:
    """Check an open archive from its first to its last byte.

    Raises:
        ValueError: It is damaged or not as torch writes it; the message is the reason.
    """
    with open_archive(file) as archive:
        records = archive.infolist()
        if name := archive.testzip():
            raise ValueError(f'record {name} is damaged, its CRC-32 differs')
        folder = records[0].filename.partition('/')[0]
        prefix = f'{folder}/data/'
        storages = {
            record.filename.removeprefix(prefix): record.file_size
            for record in records
            if record.filename.startswith(prefix)
        }
        return Archive(archive.read(f'{folder}/data.pkl'), storages)


def _check_end(file: BinaryIO) -> None:
    """Python and torch find the same directory if it ends the file and has no comment."""
    size = file.seek(0, 2)
    file.seek(max(0, size - ZIP_END_SIZE - LARGE_END_SIZE))
    ends = file.read()
    end, large = ends[-ZIP_END_SIZE:], ends[:-ZIP_END_SIZE]
    if not end.startswith(ZIP_END):
        raise ValueError('it is cut off, or something stands behind its end')
    # zipfile takes the size of the directory from there, too, and reads all of it.
    is_large = large[-20:].startswith(LARGE_END)
    directory = int.from_bytes(large[40:48] if is_large else end[12:16], 'little')
    if directory > MAX_DIRECTORY:
        raise ValueError(f'its directory has {directory} bytes; allowed: {MAX_DIRECTORY}')


def _check_records(records: list[zipfile.ZipInfo], size: int) -> None:
    """Raise a ValueError for an archive that two readers may take for two things, or a bomb."""
    names = [record.filename.lower() for record in records]
    compressed = [r.filename for r in records if r.compress_type != zipfile.ZIP_STORED]
    total = sum(record.file_size for record in records)
    if not records or min(record.header_offset for record in records) != 0:
        raise ValueError('no record is at its beginning')
    if len(set(names)) < len(names):
        raise ValueError('two records have the same name')
    if compressed:
        raise ValueError(f'record {compressed[0]} is compressed; torch stores records as they are')
    if total > size:
        raise ValueError(f'its records have {total} bytes, the file has {size}')
