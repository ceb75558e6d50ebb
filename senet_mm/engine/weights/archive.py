"""The zip archive of a checkpoint: whole, unambiguous, nothing compressed.

torch reads an archive without comparing its CRC-32, so that damaged weights load.
"""

import zipfile
from typing import BinaryIO, NamedTuple

ZIP_START, ZIP_END, ZIP_END_SIZE = b'PK\x03\x04', b'PK\x05\x06', 22


class Archive(NamedTuple):
    """The pickle of an archive, and the size in bytes of the record of every storage."""

    pickle: bytes
    storages: dict[str, int]


def is_archive(file: BinaryIO) -> bool:
    """Whether torch reads an open file as an archive, and not as its legacy format."""
    file.seek(0)
    return file.read(len(ZIP_START)) == ZIP_START


def read_archive(file: BinaryIO) -> Archive:
    """Check an open archive from its first to its last byte.

    Raises:
        ValueError: It is damaged or not as torch writes it; the message is the reason.
    """
    _check_end(file)
    try:
        with zipfile.ZipFile(file) as archive:
            records = archive.infolist()
            _check_records(records, file.seek(0, 2))
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
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error


def _check_end(file: BinaryIO) -> None:
    """Python and torch find the same directory if it ends the file and has no comment."""
    size = file.seek(0, 2)
    file.seek(max(0, size - ZIP_END_SIZE))
    if not file.read().startswith(ZIP_END):
        raise ValueError('it is cut off, or something stands behind its end')


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
