"""Protocol buffers as text, without their definitions.

The grammar is that of https://protobuf.dev/reference/protobuf/textformat-spec, as far as Caffe's
files use it. What the fields mean is not known here, so all scalars are text.
"""

import re
from typing import NamedTuple, Union

from senet_mm.utils.errors import InputError
from senet_mm.utils.options import shorten

# Caffe's definitions have three or four.
MAX_LEVELS = 16

TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
    |(?P<text>"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*')
    |(?P<word>[\w.+-]+)
    |(?P<mark>[{}<>\[\]:,;])""",
    re.VERBOSE,
)
BRACKETS = {'{': '}', '<': '>'}
ESCAPES = {'n': '\n', 't': '\t', 'r': '\r', '"': '"', "'": "'", '\\': '\\'}

Value = Union[str, 'Message']


class Message(dict[str, list[Value]]):
    """The fields of a message: every value of each field, in order."""

    def one(self, name: str) -> Value | None:
        """The value of a field; None where there is none. Several are an InputError."""
        values = self.get(name, [])
        if len(values) > 1:
            raise InputError(f'{name} is given {len(values)} times; allowed: once')
        return values[0] if values else None

    def text(self, name: str, default: str = '') -> str:
        """A scalar; a message, or several values, are an InputError."""
        value = self.one(name)
        return default if value is None else _scalar(name, value)

    def texts(self, name: str) -> list[str]:
        """The scalars of a repeated field; a message is an InputError."""
        return [_scalar(name, value) for value in self.get(name, [])]

    def message(self, name: str) -> 'Message':
        """A message, empty where there is none; a scalar, or several, are an InputError."""
        value = self.one(name)
        return Message() if value is None else _message(name, value)

    def messages(self, name: str) -> list['Message']:
        """The messages of a repeated field; a scalar is an InputError."""
        return [_message(name, value) for value in self.get(name, [])]


def _scalar(name: str, value: Value) -> str:
    if isinstance(value, Message):
        raise InputError(f'{name} is a message; allowed: a value')
    return value


def _message(name: str, value: Value) -> Message:
    if isinstance(value, Message):
        return value
    raise InputError(f'{name}: {shorten(value)}; allowed: a message in braces')


class Token(NamedTuple):
    """A piece of text: ``text`` in quotes, ``word`` or ``mark``; ``end`` has no value."""

    kind: str
    value: str


class Tokens:
    """The tokens of a text one after another; ``next``, at first empty, was not taken yet."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.next = Token('start', '')

    def take(self) -> Token:
        """The next token, which is then gone."""
        taken, self.next = self.next, self._read()
        return taken

    def is_mark(self, marks: str) -> bool:
        """Whether the next token is one of some marks."""
        return self.next.kind == 'mark' and self.next.value in marks

    @property
    def line(self) -> int:
        """Where the next token ends, from 1."""
        return self.text.count('\n', 0, self.position) + 1

    def _read(self) -> Token:
        while match := TOKEN.match(self.text, self.position):
            self.position = match.end()
            if match.lastgroup and match.lastgroup != 'skip':
                return Token(match.lastgroup, match[0])
        if self.position < len(self.text):
            raise InputError(f'{self.text[self.position]!r} starts nothing')
        return Token('end', '')


def parse(text: str) -> Message:
    """The fields of a message as text; an InputError says in which line it is damaged."""
    tokens = Tokens(text)
    try:
        return _read_fields(tokens)
    except InputError as error:
        raise InputError(f'line {tokens.line}: {error}') from error


def _read_fields(tokens: Tokens) -> Message:
    """All fields, by a stack instead of recursion: its levels are not those of Python."""
    tokens.take()
    levels = [(root := Message(), '')]
    while tokens.next.kind != 'end':
        message, closing = levels[-1]
        if closing and tokens.is_mark(closing):
            tokens.take()
            levels.pop()
        elif tokens.is_mark(',;'):
            tokens.take()
        elif child := _read_field(message, tokens):
            levels.append(child)
        if len(levels) > MAX_LEVELS:
            raise InputError(f'more than {MAX_LEVELS} levels')
    if len(levels) > 1:
        raise InputError(f'{levels[-1][1]} is missing')
    return root


def _read_field(message: Message, tokens: Tokens) -> tuple[Message, str] | None:
    """Read a field of a message, or the beginning of a message in it.

    Returns:
        The message that is open now and its closing bracket; None after a whole field.
    """
    name = tokens.take()
    if name.kind != 'word':
        raise InputError(f'{shorten(name.value)} in the place of a field')
    values = message.setdefault(name.value, [])
    if has_colon := tokens.is_mark(':'):
        tokens.take()
    if tokens.is_mark('{<'):
        child = Message()
        values.append(child)
        return child, BRACKETS[tokens.take().value]
    if not has_colon:
        raise InputError(f'{shorten(name.value)} has no value')
    values += _read_list(tokens) if tokens.is_mark('[') else [_read_scalar(tokens)]
    return None


def _read_list(tokens: Tokens) -> list[str]:
    """The scalars of a list in brackets."""
    tokens.take()
    values = []
    while not tokens.is_mark(']'):
        values.append(_read_scalar(tokens))
        if tokens.is_mark(','):
            tokens.take()
    tokens.take()
    return values


def _read_scalar(tokens: Tokens) -> str:
    """A word, or texts that follow each other, which are one."""
    if tokens.next.kind == 'word':
        return tokens.take().value
    if tokens.next.kind != 'text':
        raise InputError('a value is missing')
    parts = []
    while tokens.next.kind == 'text':
        parts.append(re.sub(r'\\(.)', _unescape, tokens.take().value[1:-1]))
    return ''.join(parts)


def _unescape(match: re.Match) -> str:
    if match[1] not in ESCAPES:
        raise InputError(f'escape {match[0]!r}; allowed: {" ".join(ESCAPES)} after a backslash')
    return ESCAPES[match[1]]
