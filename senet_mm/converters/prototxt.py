"""Reads definitions of Caffe's networks, ``.prototxt``: their layers and what these are set to.

A stranger's file costs little: its size and its levels are bounded, numbers are of 32 bits, and
none of them is the size of anything that is built.
"""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from senet_mm.utils.errors import InputError
from senet_mm.utils.files import check_regular_file
from senet_mm.utils.options import check_option, shorten

from .text_format import Message, parse

# SENet-154 has 0.2 MB.
MAX_BYTES = 1 << 20
LARGEST = (1 << 31) - 1
NUMBER = r'[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][+-]?\d{1,2})?[fF]?'
FLAGS = {'true': True, 't': True, '1': True, 'false': False, 'f': False, '0': False}
# Fields of every layer that do not change its output at test time.
GENERAL = {
    'name', 'type', 'bottom', 'top', 'param', 'include', 'exclude', 'phase', 'loss_weight',
    'propagate_down',
}  # fmt: skip


class Fields:
    """What a layer is set to. Each field must be read, so that none is ignored.

    Args:
        message: The fields by name.
    """

    def __init__(self, message: Message) -> None:
        self.message = message
        self._left = {name for name in message if name != 'engine' and not name.endswith('filler')}

    def ignore(self, *names: str) -> None:
        """Pass over fields without an effect on the output."""
        self._left.difference_update(names)

    def check_read(self) -> None:
        """Raise an InputError for a field that nobody read."""
        if self._left:
            raise InputError(f'{min(self._left)} is not known')

    def integer(self, name: str, default: int | None, least: int = 0) -> int:
        """A whole number; without a default it must be there."""
        self.ignore(name)
        if name not in self.message and default is None:
            raise InputError(f'{name} is missing')
        return parse_integer(name, self.message.text(name, str(default)), least)

    def number(self, name: str, default: float) -> float:
        """A number."""
        self.ignore(name)
        return parse_number(name, self.message.text(name, str(default)))

    def numbers(self, name: str) -> list[float]:
        """The numbers of a repeated field."""
        self.ignore(name)
        return [parse_number(name, text) for text in self.message.texts(name)]

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        self.ignore(name)
        text = self.message.text(name, str(default)).lower()
        check_option(name, shorten(text), FLAGS)
        return FLAGS[text]

    def word(self, name: str, default: str, allowed: Mapping[str, int]) -> str:
        """One of some words, given by itself or by its number."""
        self.ignore(name)
        text = self.message.text(name, default)
        words = {str(number): word for word, number in allowed.items()}
        word = words.get(text, text)
        check_option(name, shorten(word), allowed)
        return word

    def sides(self, name: str, default: int | None, least: int = 0) -> tuple[int, int]:
        """Height and width of a kernel, a stride, a padding: ``pad``, or ``pad_h`` and ``pad_w``.

        Args:
            name: The field for both; the other two are ``kernel_h`` and so on.
            default: The value without any; None if there must be one.
            least: The least number that is allowed.
        """
        stem = name.removesuffix('_size')
        if {f'{stem}_h', f'{stem}_w'} & self.message.keys():
            height, width = (self.integer(f'{stem}_{side}', None, least) for side in 'hw')
            return height, width
        self.ignore(name)
        given = [parse_integer(name, text, least) for text in self.message.texts(name)]
        given = given or ([] if default is None else [default])
        if len(given) not in (1, 2):
            raise InputError(f'{name} has {len(given)} values; allowed: one, or height and width')
        return given[0], given[-1]


class Layer(NamedTuple):
    """A layer of a definition: name, type, what it reads and writes, and its message."""

    name: str
    type: str
    bottoms: list[str]
    tops: list[str]
    message: Message

    def fields(self, *names: str) -> Fields:
        """What it is set to in a message of its own; any other message is an InputError."""
        for name in self.message:
            check_option('field', shorten(name), (*GENERAL, *names))
        return Fields(self.message.message(names[0]) if names else Message())


def read_prototxt(path: str | os.PathLike) -> Message:
    """The fields of a definition.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is damaged, too large, or no text.
    """
    check_regular_file(path, 'prototxt')
    with open(path, 'rb') as file:
        content = file.read(MAX_BYTES + 1)
    try:
        if len(content) > MAX_BYTES:
            raise InputError(f'it has more than {MAX_BYTES} bytes')
        # Comments may be in any encoding; what is not UTF-8 can be no field.
        return parse(content.decode('utf-8-sig', errors='replace'))
    except ValueError as error:
        raise InputError(f'prototxt {path} is damaged or no prototxt: {error}') from error


def parse_integer(name: str, text: str, least: int = 0) -> int:
    """A whole number from a least one to the largest of 32 bits; else an InputError."""
    if re.fullmatch(r'[+-]?\d{1,10}', text, re.ASCII) and least <= int(text) <= LARGEST:
        return int(text)
    raise InputError(f'{name}: {shorten(text)}; allowed: whole numbers from {least} to {LARGEST}')


def parse_number(name: str, text: str) -> float:
    """A finite number; else an InputError."""
    if re.fullmatch(NUMBER, text, re.ASCII):
        return float(text.rstrip('fF'))
    raise InputError(f'{name}: {shorten(text)}; allowed: numbers')
