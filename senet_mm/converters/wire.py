"""The wire format of protocol buffers (https://protobuf.dev/programming-guides/encoding).

A message is a row of fields. A field is a tag (number and wire type) and a value: an integer of
variable length, 4 or 8 bytes, or a length and that many bytes, which may be a message again.
"""

from collections.abc import Iterable, Iterator
from mmap import mmap
from typing import NamedTuple

import numpy as np

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_WIDTHS = {FIXED64: 8, FIXED32: 4}

Chunk = bytes | np.ndarray


class Field(NamedTuple):
    """A field of a message; its value lies in the bytes from ``start`` up to ``stop``."""

    number: int
    wire_type: int
    start: int
    stop: int


class WireReader:
    """Reads the fields of a message that lies in a buffer, without copying.

    Args:
        buffer: The bytes of the message.
        max_varints: How many integers, tags and lengths to read at most. It bounds the time and the
            memory that a hostile file of many tiny fields can cost; SENet-154 takes under 50,000.
    """

    def __init__(self, buffer: bytes | mmap, max_varints: int = 1_000_000) -> None:
        self.view = memoryview(buffer)
        self.message = Field(0, BYTES, 0, len(self.view))
        self._varints_left = max_varints

    def fields(self, message: Field) -> Iterator[Field]:
        """The fields of a message.

        Raises:
            ValueError: The field is no message.
        """
        _expect(message, BYTES)
        position = message.start
        while position < message.stop:
            field = self.field(position, message.stop)
            position = field.stop
            yield field

    def field(self, position: int, stop: int) -> Field:
        """The field at ``position`` of a message that ends at ``stop``.

        Raises:
            ValueError: There is no valid field, or it runs past the end.
        """
        tag, start = self._varint(position, stop)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            end = self._varint(start, stop)[1]
        elif wire_type == BYTES:
            length, start = self._varint(start, stop)
            end = start + length
        else:
            end = start + _WIDTHS.get(wire_type, 0)
        if not 1 <= number < 1 << 29 or wire_type not in (VARINT, BYTES, *_WIDTHS):
            raise ValueError(f'byte {position} starts no field (tag {tag})')
        if end > stop:
            raise ValueError(
                f'the field at byte {position} wants {end - start} bytes, {stop - start} are left'
            )
        return Field(number, wire_type, start, end)

    def integer(self, field: Field) -> int:
        """The signed 64-bit integer of a field.

        Raises:
            ValueError: The field holds no integer.
        """
        _expect(field, VARINT)
        return next(self.integers(field))

    def integers(self, field: Field) -> Iterator[int]:
        """The signed 64-bit integers of a repeated field, packed or a single one.

        Raises:
            ValueError: The field holds no integers.
        """
        _expect(field, VARINT, BYTES)
        position = field.start
        while position < field.stop:
            value, position = self._varint(position, field.stop)
            yield value - (value >> 63 << 64)

    def text(self, field: Field) -> str:
        """The text of a field.

        Raises:
            ValueError: The field is no UTF-8 text, or one of more than 65,536 bytes.
        """
        _expect(field, BYTES)
        if field.stop - field.start > 1 << 16:
            raise ValueError(f'field {field.number} is a text of {field.stop - field.start} bytes')
        return str(self.view[field.start : field.stop], 'utf-8')

    def floats(self, first: Field, stop: int, dtype: np.dtype) -> tuple[np.ndarray, int]:
        """The floating-point numbers of a repeated field, packed or not; its number is below 16.

        Args:
            first: The packed field, or the first of a run of single ones.
            stop: The end of the message that holds it.
            dtype: The type of the numbers.

        Returns:
            The numbers, (N,), a view of the buffer, and where they end.

        Raises:
            ValueError: The field holds no such numbers.
        """
        if first.wire_type == BYTES:
            count, rest = divmod(first.stop - first.start, dtype.itemsize)
            if rest:
                raise ValueError(f'{first.stop - first.start} bytes are no row of {dtype} numbers')
            return np.frombuffer(self.view, dtype, count, first.start), first.stop
        _expect(first, next(wire for wire, width in _WIDTHS.items() if width == dtype.itemsize))
        row = np.dtype([('tag', 'u1'), ('number', dtype)])
        rows = (stop - first.start + 1) // row.itemsize
        run = np.frombuffer(self.view, row, rows, first.start - 1)
        other = run['tag'][1:] != first.number << 3 | first.wire_type
        count = 1 + int(other.argmax() if other.any() else other.size)
        return run['number'][:count], first.stop + (count - 1) * row.itemsize

    def _varint(self, position: int, stop: int) -> tuple[int, int]:
        """The unsigned 64-bit integer at ``position``, and where it ends."""
        self._varints_left -= 1
        if self._varints_left < 0:
            raise ValueError('too many fields')
        value = 0
        for index, byte in enumerate(self.view[position : min(stop, position + 10)]):
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80 and value < 1 << 64:
                return value, position + index + 1
        raise ValueError(f'byte {position} starts no integer of at most 64 bits')


def varint(value: int) -> bytes:
    """A non-negative integer in 7-bit groups, the lowest first."""
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def count_bytes(chunks: Iterable[Chunk]) -> int:
    """The length of chunks one after another."""
    return sum(len(chunk) if isinstance(chunk, bytes) else chunk.nbytes for chunk in chunks)


def field_chunks(number: int, *chunks: Chunk) -> list[Chunk]:
    """A field that holds ``chunks`` one after another; they are neither joined nor copied."""
    length = count_bytes(chunks)
    return [varint(number << 3 | BYTES) + varint(length), *chunks]


def _expect(field: Field, *allowed: int) -> None:
    """Raise a ValueError unless a field has one of the allowed wire types."""
    if field.wire_type not in allowed:
        raise ValueError(
            f'field {field.number} has wire type {field.wire_type}; '
            f'allowed: {", ".join(map(str, allowed))}'
        )
