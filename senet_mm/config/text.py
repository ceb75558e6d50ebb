"""Reads a config in the text of a weight file as data; never executes it."""

import ast
from collections.abc import Mapping

# Our longest config has 12 kB.
MAX_LENGTH = 1_000_000


def read_config_text(text: str) -> dict:
    """The values of a config in the form in which mmengine writes it (``Config.pretty_text``).

    Args:
        text: Assignments ``name = value``; a value is a literal or a call of ``dict``. mmengine
            itself would execute the text, which may come from a stranger.

    Raises:
        ValueError: The text is anything else, or too long.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f'{len(text)} characters; allowed: {MAX_LENGTH}')
    try:
        return dict(_assignment(statement) for statement in ast.parse(text).body)
    except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f'no text of a config: {error}') from error


def _assignment(statement: ast.stmt) -> tuple[str, object]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, _value(value)
    raise ValueError(f'line {statement.lineno} is no assignment of a value to a name')


def _value(node: ast.expr) -> object:
    """The value of an expression of literals, containers and ``dict(...)``."""
    match node:
        case ast.Call(func=ast.Name(id='dict'), args=[], keywords=keywords):
            return _named(keywords)
        case ast.Call(func=ast.Name(id='dict'), args=[ast.Dict() as first], keywords=keywords):
            return _dict(first) | _named(keywords)
        case ast.Dict():
            return _dict(node)
        case ast.List(elts=items):
            return [_value(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item) for item in items)
        case ast.Set(elts=items):
            return {_literal(item) for item in items}
        # How Python writes numbers that have no literal.
        case ast.Name(id='inf' | 'nan' as name):
            return float(name)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Name(id='inf')):
            return float('-inf')
    return _literal(node)


def _literal(node: ast.expr) -> object:
    """The value of a literal; Python's message on another expression has its address."""
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise ValueError(f'line {node.lineno}: {type(node).__name__} is no value') from error


def _dict(node: ast.Dict) -> dict:
    """The value of ``{key: value}``; ``{**other}`` is a ValueError."""
    keys = [key for key in node.keys if key is not None]
    if len(keys) < len(node.keys):
        raise ValueError(f'line {node.lineno}: {{**...}} is no value')
    pairs = zip(keys, node.values, strict=True)
    return {_literal(key): _value(value) for key, value in pairs}


def _named(keywords: list[ast.keyword]) -> dict[str, object]:
    """The value of ``dict(key=value)``; ``dict(**other)`` is a ValueError."""
    values = {keyword.arg: _value(keyword.value) for keyword in keywords if keyword.arg}
    if len(values) < len(keywords):
        raise ValueError(f'line {keywords[0].lineno}: dict(**...) is no value')
    return values


def comparable(value: object) -> object:
    """A value with all its mappings as ``dict`` and its tuples as lists, to be compared."""
    if isinstance(value, Mapping):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [comparable(item) for item in value]
    return value
