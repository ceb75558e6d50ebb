"""Lines of text files that people have written: lists of images, of labels, of classes."""

import codecs
import re

from mmengine import fileio
from mmengine.fileio import LocalBackend, get_file_backend

from senet_mm.utils.files import check_regular_file

ENCODINGS = {codecs.BOM_UTF16_LE: 'utf-16', codecs.BOM_UTF16_BE: 'utf-16'}
TEXT = 'allowed: text in UTF-8, or UTF-16 with mark'


def read_lines(file: str) -> list[tuple[int, str]]:
    """Number (from 1) and text of the lines that are not blank, without spaces around.

    The text is UTF-8, or UTF-16 that begins with its mark.

    Raises:
        FileNotFoundError: There is no file.
        ValueError: It is no regular file, or holds something other than text.
    """
    if isinstance(get_file_backend(file, enable_singleton=True), LocalBackend):
        check_regular_file(file)
    text = _decode(fileio.get(file), file)
    # Not splitlines: names of files may hold U+2028 and the like.
    lines = enumerate(re.split(r'\r\n|\n|\r', text), 1)
    return [(number, line.strip(' \t')) for number, line in lines if line.strip()]


def _decode(data: bytes, file: str) -> str:
    """The text of a file."""
    encoding = ENCODINGS.get(data[:2], 'utf-8-sig')
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != 'utf-8-sig':
            raise ValueError(f'{file} is not text: {error}; allowed: UTF-8, UTF-16') from error
        before = error.object[: error.start]
        byte = error.object[error.start]
        raise ValueError(
            f'{file}:{_line_of(before.decode())}: byte {byte:#x} is no UTF-8; {TEXT}'
        ) from error
    if '\0' in text:
        line = _line_of(text[: text.index('\0')])
        raise ValueError(f'{file}:{line}: a zero byte; {TEXT}')
    return text


def _line_of(before: str) -> int:
    """The number of the line that follows a text."""
    return len(re.findall(r'\r\n|\n|\r', before)) + 1
