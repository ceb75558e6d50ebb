"""How given tensors differ from the wanted ones, in one line."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

Wanted = Tensor | np.ndarray | np.generic

# Types that stand for each other: their values are converted.
KINDS = {
    **dict.fromkeys(('bfloat16', 'float16', 'float32', 'float64'), 'float'),
    **dict.fromkeys(('int8', 'int16', 'int32', 'int64'), 'integer'),
    **dict.fromkeys(('uint8', 'uint16', 'uint32', 'uint64'), 'integer'),
}


def describe_misfit(given: Mapping[str, object], wanted: Mapping[str, Wanted]) -> str:
    """Lists how given tensors differ from the wanted ones; empty if they fit.

    ``12 missing (a, b, c, ...); 1 unexpected (d); 1 of another shape (e (2, 3) for (3, 2))``.
    Floats of 16, 32 and 64 bits stand for each other, integers of any width as well, and floats
    that are whole numbers for integers.

    Args:
        given: Tensors or arrays; anything else is of another type.
        wanted: Tensors or arrays, of which only ``shape`` and ``dtype`` are read.
    """
    common = {name: (given[name], wanted[name]) for name in given if name in wanted}
    layouts = {name: layout_of(value) for name, (value, _) in common.items()}
    differences: dict[str, Iterable[str]] = {
        'missing': wanted.keys() - given.keys(),
        'unexpected': given.keys() - wanted.keys(),
        'of another shape': [
            f'{name} {_shape_of(value)} for {_shape_of(own)}'
            for name, (value, own) in common.items()
            if _shape_of(value) not in (None, _shape_of(own))
        ],
        'of another type': [
            f'{name} {kind_of(value)} for {kind_of(own)}'
            for name, (value, own) in common.items()
            if not layouts[name]
            and _shape_of(value) in (None, _shape_of(own))
            and not _converts(value, own)
        ],
        'not dense': [f'{name} {layout}' for name, layout in layouts.items() if layout],
    }
    return '; '.join(count_names(what, names) for what, names in differences.items() if names)


def _shape_of(value: object) -> tuple[int, ...] | None:
    """The shape of a tensor or an array; None for what is of another type."""
    shape = getattr(value, 'shape', None)
    return None if shape is None else tuple(shape)


def kind_of(value: object) -> str:
    """Float or integer; the name of any other type, of what is no tensor as well."""
    if not hasattr(value, 'dtype'):
        return type(value).__name__
    dtype = str(value.dtype).removeprefix('torch.')
    return KINDS.get(dtype, dtype)


def _converts(value: object, own: Wanted) -> bool:
    """Whether values can be converted; a network of half precision has floats as counters."""
    if not hasattr(value, 'dtype'):
        return False
    kinds = kind_of(value), kind_of(own)
    return kinds[0] == kinds[1] or (kinds == ('float', 'integer') and _is_whole(value))


def _is_whole(value: object) -> bool:
    numbers = torch.as_tensor(value).double()
    return bool((numbers.isfinite() & (numbers == numbers.round())).all())


def layout_of(value: object) -> str:
    """How a tensor is stored that is not dense; empty for one that is."""
    if not isinstance(value, Tensor):
        return ''
    if value.is_meta:
        return 'on the meta device'
    return '' if value.layout == torch.strided else str(value.layout).removeprefix('torch.')


def count_names(what: str, names: Iterable[str], limit: int = 3) -> str:
    """Count and the first names: ``12 missing (a, b, c, ...)``."""
    names = [name if len(name) < 200 else f'{name[:200]}...' for name in sorted(map(str, names))]
    dots = ', ...' if len(names) > limit else ''
    return f'{len(names)} {what} ({", ".join(names[:limit])}{dots})'
