"""Kinds of values in the state of a training that somebody else may have written."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

LARGEST = 2**53


def is_count(value: object) -> bool:
    """Whether a value is a whole number from 0."""
    return type(value) is int and 0 <= value <= LARGEST


def is_scalar(value: object) -> bool:
    """Whether a value is a single real number, which an array or a dense tensor may hold too."""
    if isinstance(value, Tensor):
        return value.dim() == 0 and not (value.is_meta or value.dtype.is_complex)
    return isinstance(value, int | float | np.integer | np.floating | np.bool_)


def is_plain(value: object) -> bool:
    """Whether a value is numbers and text, or made of them."""
    if isinstance(value, Mapping):
        return all(map(is_plain, value.keys())) and all(map(is_plain, value.values()))
    if isinstance(value, list | tuple | set):
        return all(map(is_plain, value))
    return value is None or isinstance(value, str) or is_scalar(value)


def is_of_kind(value: object, own: object) -> bool:
    """Whether a value is of the kind of ours, whatever its length: numbers, lists of lists, ..."""
    if own is None:
        return True
    if is_scalar(own):
        return is_scalar(value)
    if isinstance(own, list | tuple):
        if not isinstance(value, list | tuple):
            return False
        return not own or all(is_of_kind(item, own[0]) for item in value)
    return isinstance(value, Mapping if isinstance(own, Mapping) else type(own))


def is_alike(value: object, own: object) -> bool:
    """Whether a value can stand for ours: a number for a number, a list for one as long."""
    if own is None or isinstance(own, bool):
        return value is None or is_scalar(value)
    if is_scalar(own):
        return is_scalar(value)
    if isinstance(own, list | tuple):
        if not isinstance(value, list | tuple) or len(value) != len(own):
            return False
        return all(map(is_alike, value, own))
    if isinstance(own, Mapping):
        return isinstance(value, Mapping) and is_plain(value)
    return isinstance(value, type(own))
