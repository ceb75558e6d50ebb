"""Options on variables of a config, while it is executed.

mmengine executes a config file and copies its variables into the loaders, so that a later change of
``train_pipeline`` has no effect. Here an option on a variable acts after every statement of the
file. An index refers to the final value of the variable: its element is replaced wherever it
occurs while the value is built.
"""

import ast
import contextlib
import copy
from collections.abc import Mapping
from contextvars import ContextVar
from itertools import zip_longest
from typing import NamedTuple

from mmengine.config import Config, ConfigDict

ABSENT = object()


class Change(NamedTuple):
    """The final value of a variable without and with the options that count in its lists."""

    before: object
    after: object


class Overrides:
    """Options on variables, see the module.

    Args:
        options: Values by dotted key, without indices of lists.
        changes: Changes by variable, for options with indices.
    """

    def __init__(
        self, options: Mapping | None = None, changes: Mapping[str, Change] | None = None
    ) -> None:
        self.options, self.changes = options or {}, changes or {}
        self.names = {root(key) for key in self.options} | self.changes.keys()
        # Ids of the lists and dicts made here; only these are changed in place.
        self._own: dict[int, object] = {}

    def apply(self, variables: dict) -> None:
        """Apply the options to the variables that a file has assigned so far."""
        for name in self.names & variables.keys():
            value = variables[name]
            variables[name] = self._exchange(value, self._change(name, value))

    def _change(self, name: str, value: object) -> object:
        """A copy of a value with the options on it.

        Skips an option that does not fit: a later file may assign a value that it fits.
        """
        cfg = Config({name: value})
        for key, given in self.options.items():
            if root(key) == name:
                with contextlib.suppress(KeyError, TypeError):
                    apply_option(cfg, key, given)
        return _rewrite(cfg[name], *self.changes[name]) if name in self.changes else cfg[name]

    def _exchange(self, old: object, new: object) -> object:
        """Replace an old value by a new one in everything that holds the old one."""
        if id(old) in self._own and isinstance(old, dict) and isinstance(new, dict):
            for key in old.keys() - new.keys():
                del old[key]
            for key, item in dict.items(new):
                dict.__setitem__(old, key, self._exchange(dict.get(old, key), item))
            return old
        if id(old) in self._own and isinstance(old, list) and isinstance(new, list):
            pairs = zip_longest(old, new)
            old[:] = [self._exchange(*pair) for pair in pairs][: len(new)]
            return old
        self._adopt(new)
        return new

    def _adopt(self, value: object) -> None:
        if isinstance(value, dict | list):
            self._own[id(value)] = value
            for item in dict.values(value) if isinstance(value, dict) else value:
                self._adopt(item)


def _rewrite(value: object, before: object, after: object) -> object:
    """A value in which the list elements that a change alters are replaced."""
    if isinstance(value, dict) and isinstance(before, dict) and isinstance(after, dict):
        common = value.keys() & before.keys()
        parts = {key: [dict.get(of, key) for of in (value, before, after)] for key in common}
        return ConfigDict({**value, **{key: _rewrite(*part) for key, part in parts.items()}})
    if not (isinstance(value, list) and isinstance(before, list) and isinstance(after, list)):
        return value
    result = [*value]
    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        if not are_equal(old, new) and (place := _find(old, new, value, index)) is not None:
            result[place] = copy.deepcopy(new)
    return result


def _find(old: object, new: object, values: list, index: int) -> int | None:
    """Position of an element in a list: its index, or else the only place with an equal value."""
    if index < len(values) and are_equal(values[index], new):
        return None  # done before
    places = [place for place, value in enumerate(values) if are_equal(value, old)]
    if index in places:
        return index
    return places[0] if len(places) == 1 else None


def are_equal(value: object, other: object) -> bool:
    """Whether values of configs are equal; lazily imported objects are compared by name."""
    return ConfigDict(_=value).to_dict() == ConfigDict(_=other).to_dict()


def get_child(container: object, key: str) -> object:
    """The value of a list, dict or config under one part of a dotted key, or None."""
    if isinstance(container, list):
        return container[int(key)] if is_index(key) and int(key) < len(container) else None
    return container.get(key) if isinstance(container, dict | Config) else None


def apply_option(cfg: Config, key: str, value: object) -> None:
    """Set a value by its dotted key; dicts are merged, and take the place of other values.

    Raises:
        KeyError: A list has no such index.
        TypeError: A part of the key is not in a dict or list.
    """
    parent, _, last = key.rpartition('.')
    siblings: object = cfg
    for part in parent.split('.') if parent else ():
        siblings = get_child(siblings, part)
    before = siblings.get(last, ABSENT) if isinstance(siblings, dict | Config) else ABSENT
    if isinstance(before, list) and isinstance(value, dict) and not all(map(is_index, value)):
        raise TypeError(f'{key} is a list, the option a dict; allowed: a list, or {key}.0=...')
    if isinstance(siblings, list) and is_index(last) and not isinstance(value, dict):
        # mmengine sets no entry of a list that is not a dict.
        if int(last) >= len(siblings):
            raise KeyError(f'{key}: {parent} is a list of {len(siblings)}')
        siblings = [*siblings]
        siblings[int(last)] = value
        apply_option(cfg, parent, siblings)
    else:
        value = copy.deepcopy(value)
        if isinstance(value, dict) and not (before is ABSENT or isinstance(before, dict | list)):
            value = {**value, '_delete_': True}  # else mmengine refuses it
        cfg.merge_from_dict({key: value})


def root(key: str) -> str:
    """The top-level key of a dotted one."""
    return key.partition('.')[0]


def is_index(part: str) -> bool:
    """Whether a part of a dotted key is an index of a list; ``²`` is a digit as well."""
    return part.isdecimal() and part.isascii()


def has_index(key: str) -> bool:
    """Whether a part of a dotted key is a number."""
    return any(is_index(part) for part in key.split('.'))


# The overrides of the config that is being read.
ACTIVE: ContextVar[Overrides] = ContextVar('overrides')


def override(variables: dict) -> None:
    """Apply the current overrides; a config calls it after each statement."""
    ACTIVE.get().apply(variables)


class Overriding(ast.NodeTransformer):
    """Adds a call of :func:`override` after every statement outside of functions and classes."""

    CALL = f"__import__('{__name__}', fromlist=['_']).override(globals())"

    def visit(self, node: ast.AST) -> ast.AST:
        """The node, with calls in all blocks of statements below it."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return node  # its names are its own
        node = self.generic_visit(node)
        for field, block in ast.iter_fields(node):
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                setattr(node, field, self._add_calls(block, node))
        return node

    def _add_calls(self, block: list[ast.stmt], parent: ast.AST) -> list[ast.stmt]:
        # `for` and `with` assign before their block begins.
        start = [] if isinstance(parent, ast.Module) else ast.parse(self.CALL).body
        return start + [part for node in block for part in (node, *ast.parse(self.CALL).body)]
