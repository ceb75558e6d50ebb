"""Checks arguments from a config against the annotations of a constructor."""

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from numbers import Number
from typing import Any, Union

from .errors import InputError

# Annotations that are checked -> what fits; a parameter with any other one is not checked.
FITTING: dict[object, tuple[type, ...]] = {
    bool: (bool, int),
    int: (int, float),
    float: (int, float),
    Number: (int, float),
    str: (str,),
    type(None): (type(None),),
    list: (list, tuple),
    tuple: (list, tuple),
    dict: (Mapping, list, tuple),  # upstream's `init_cfg` is often a list
    Sequence: (Sequence,),
    Mapping: (Mapping,),
}
# What a config file or an option can hold; objects are not checked.
PLAIN = str | int | float | list | tuple | dict | None


def check_arguments(function: Callable, given: Mapping) -> None:
    """Raise an InputError for an argument of a kind that its annotation excludes.

    Upstream's annotations are not exact: a number fits any number, a list any tuple. None fits
    where nothing else is a default.

    Args:
        function: A class, or a function.
        given: Arguments by name.
    """
    for name, (allowed, default) in _annotations(function).items():
        if name not in given or not isinstance(given[name], PLAIN):
            continue
        value = given[name]
        if value is None and default is None:
            continue
        fits = isinstance(value, tuple(kind for one in allowed for kind in FITTING[one]))
        if fits and isinstance(value, float) and float not in allowed and Number not in allowed:
            fits = math.isfinite(value)  # of whole numbers
        if not fits:
            names = ' or '.join('None' if one is type(None) else one.__name__ for one in allowed)
            raise InputError(f'{function.__name__}: {name}={str(value)[:80]!r}; allowed: {names}')


@cache
def _annotations(function: Callable) -> dict[str, tuple[tuple[Any, ...], object]]:
    """For each parameter that can be checked its annotation's parts, and its default."""
    found: dict[str, tuple[tuple[Any, ...], object]] = {}
    for part in inspect.getmro(function) if inspect.isclass(function) else [function]:
        call = vars(part).get('__init__') if inspect.isclass(part) else part
        if not isinstance(call, types.FunctionType):
            continue
        try:
            hints = typing.get_type_hints(call)
        except (NameError, TypeError, AttributeError):  # of names that exist for a type checker
            hints = {}
        parameters = inspect.signature(call).parameters
        for name, parameter in parameters.items():
            allowed = _parts(hints.get(name, parameter.annotation))
            if allowed is None and isinstance(parameter.default, bool):
                allowed = (bool,) if parameter.annotation is parameter.empty else None
            if allowed:
                found.setdefault(name, (allowed, parameter.default))
            else:
                found.setdefault(name, ((object,), None))
        if all(one.kind is not one.VAR_KEYWORD for one in parameters.values()):
            break
    return {name: hint for name, hint in found.items() if hint[0] != (object,)}


def _parts(annotation: object) -> tuple[Any, ...] | None:
    """The kinds that an annotation allows; None if one of them is not checked."""
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        parts = [_parts(one) for one in typing.get_args(annotation)]
        if None in parts:
            return None
        return tuple(dict.fromkeys(one for part in parts for one in part or ()))
    kind = origin or annotation
    try:
        return (kind,) if kind in FITTING else None
    except TypeError:  # not hashable
        return None
