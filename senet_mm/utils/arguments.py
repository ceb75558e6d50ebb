"""Checks arguments from a config against the annotations of a constructor."""

import inspect
import math
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from numbers import Number
from typing import Any, Union

from .errors import InputError

# Annotation -> what does not fit it. Upstream's are not exact: a number stands for a list of
# them, a text for a number or a dict, a sequence for one item. A parameter with any other
# annotation is not checked.
REFUSED: dict[object, tuple[type, ...]] = {
    bool: (str, Mapping),
    int: (str, Mapping),
    float: (str, Mapping),
    Number: (str, Mapping),
    str: (),
    list: (str, int, float),
    tuple: (str, int, float),
    dict: (str, int, float),
    Sequence: (),
    Mapping: (str, int, float),
}
# What a config file or an option can hold; objects are not checked.
PLAIN = str | int | float | list | tuple | dict | None


def check_arguments(function: Callable, given: Mapping) -> None:
    """Raise an InputError for an argument of a kind that its annotation excludes.

    Args:
        function: A class, or a function.
        given: Arguments by name.
    """
    for name, allowed in _annotations(function).items():
        value = given.get(name)
        if value is not None and isinstance(value, PLAIN) and not may_be(value, allowed):
            names = ' or '.join(one.__name__ for one in allowed)
            raise InputError(f'{function.__name__}: {name}={str(value)[:80]!r}; allowed: {names}')


def may_be(value: object, allowed: Collection[Any]) -> bool:
    """Whether a value may be of one of some kinds."""
    if isinstance(value, float) and not math.isfinite(value) and set(allowed) <= {int, bool}:
        return False
    return any(not isinstance(value, REFUSED[one]) for one in allowed)


@cache
def _annotations(function: Callable) -> dict[str, tuple[Any, ...]]:
    """The kinds that the annotations of the parameters allow, where they can be checked."""
    found: dict[str, tuple[Any, ...]] = {}
    for part in inspect.getmro(function) if inspect.isclass(function) else [function]:
        call = vars(part).get('__init__') if inspect.isclass(part) else part
        if not isinstance(call, types.FunctionType):
            continue
        try:
            hints = typing.get_type_hints(call)
        except (NameError, TypeError, AttributeError):  # of names that exist for a type checker
            hints = {}
        parameters = inspect.signature(call).parameters.values()
        for parameter in parameters:
            found.setdefault(parameter.name, _allowed(parameter, hints))
        if all(one.kind is not one.VAR_KEYWORD for one in parameters):
            break
    return {name: allowed for name, allowed in found.items() if allowed}


def _allowed(parameter: inspect.Parameter, hints: dict[str, object]) -> tuple[Any, ...]:
    """The kinds that a parameter allows; none if they are not known."""
    default = parameter.default
    if parameter.annotation is parameter.empty:
        return (bool,) if isinstance(default, bool) else ()
    allowed = _parts(hints.get(parameter.name, parameter.annotation))
    # An annotation that its own default contradicts is worth nothing.
    return (
        allowed if isinstance(default, type) or default is None or may_be(default, allowed) else ()
    )


def _parts(annotation: object) -> tuple[Any, ...]:
    """The kinds that an annotation allows; none if one of them is not checked."""
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        parts = [_parts(one) for one in typing.get_args(annotation) if one is not type(None)]
        return tuple(one for part in parts for one in part) if all(parts) else ()
    kind = origin or annotation
    return (kind,) if isinstance(kind, type) and kind in REFUSED else ()
