"""State dicts of checkpoints: every tensor fits, or nothing is changed and one line says why."""

import logging
import re
from collections.abc import Iterable, Mapping

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from .safe_load import load_from_local

__all__ = [
    'check_fits',
    'describe_misfit',
    'get_state_dict',
    'load_from_local',
    'load_strictly',
    'plain_names',
    'with_own_head',
]

# What data parallel wrappers and compiled modules add to names.
WRAPPERS = re.compile(r'^(module\.|_orig_mod\.)+|(?<=\.)_orig_mod\.')
# Types that stand for each other: their values are converted.
KINDS = {
    **dict.fromkeys(('bfloat16', 'float16', 'float32', 'float64'), 'float'),
    **dict.fromkeys(('int8', 'int16', 'int32', 'int64'), 'integer'),
    **dict.fromkeys(('uint8', 'uint16', 'uint32', 'uint64'), 'integer'),
}


def get_state_dict(checkpoint: dict, filename: str) -> dict[str, Tensor]:
    """The state dict of a checkpoint, without the names that wrappers add.

    Args:
        checkpoint: A state dict, or a dict that holds one under ``state_dict``.
        filename: Where the checkpoint is from, for the message.

    Raises:
        ValueError: There is none.
    """
    state_dict = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(state_dict, dict):
        raise ValueError(f'checkpoint {filename} holds no state dict')
    return plain_names(state_dict, filename)


def plain_names(state_dict: Mapping[str, object], filename: str) -> dict[str, object]:
    """A state dict without ``module.`` at the front of its names and ``_orig_mod.`` in them.

    Raises:
        ValueError: Two names become one.
    """
    plain = {WRAPPERS.sub('', str(name)): value for name, value in state_dict.items()}
    if len(plain) < len(state_dict):
        raise ValueError(
            f'checkpoint {filename} holds a tensor twice, with and without module. or _orig_mod.'
        )
    return plain


def load_strictly(
    model: nn.Module, checkpoint: dict, filename: str, new_head: bool = False
) -> None:
    """Fill every parameter and buffer of ``model`` from ``checkpoint``, or change nothing.

    A line in the log names tensors with values that are not finite.

    Args:
        model: The model.
        checkpoint: A state dict, or a dict that holds one under ``state_dict``.
        filename: Where the checkpoint is from, for the message.
        new_head: Leave a head of another class count as it is initialised, with a line in the log.

    Raises:
        ValueError: Names, shapes or types differ.
    """
    state_dict = get_state_dict(checkpoint, filename)
    if new_head:
        state_dict = with_own_head(state_dict, model, filename)
    check_fits(state_dict, model, filename)
    model.load_state_dict(state_dict)
    broken = [name for name, value in state_dict.items() if not value.isfinite().all()]
    if broken:
        print_log(
            f'checkpoint {filename}: {_some("tensors with values that are not finite", broken)}',
            logger='current',
            level=logging.WARNING,
        )


def check_fits(state_dict: dict[str, Tensor], model: nn.Module, filename: str) -> None:
    """Raise a ValueError for a state dict that does not fit the model exactly."""
    misfit = describe_misfit(state_dict, model.state_dict())
    arrays = [name for name, value in state_dict.items() if not isinstance(value, Tensor)]
    if misfit or arrays:
        misfit = misfit or _some('no tensors', arrays)
        raise ValueError(f'checkpoint {filename} does not fit the model of the config: {misfit}')


def with_own_head(
    state_dict: dict[str, Tensor], model: nn.Module, filename: str
) -> dict[str, Tensor]:
    """A state dict in which a head of another class count is replaced by the model's.

    Args:
        state_dict: The state dict of a checkpoint.
        model: The model, with a head that is initialised.
        filename: Where the checkpoint is from, for the line in the log that says so.
    """
    own = model.state_dict()
    names = _other_classes(state_dict, own)
    if names:
        given, wanted = len(state_dict[names[0]]), len(own[names[0]])
        print_log(
            f'checkpoint {filename} has a head of {given} classes; the head of {wanted} classes '
            f'is newly initialised ({", ".join(names)})',
            logger='current',
        )
    return {**state_dict, **{name: own[name] for name in names}}


def _other_classes(state_dict: dict[str, Tensor], own: dict[str, Tensor]) -> list[str]:
    """Names of the head's tensors that differ in the number of classes only, their first axis."""
    return [
        name
        for name, value in own.items()
        if name.startswith('head.')
        and isinstance(given := state_dict.get(name), Tensor)
        and given.dim() == value.dim() > 0
        and len(given) != len(value)
        and given.shape[1:] == value.shape[1:]
    ]


def describe_misfit(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """What stands between the given and the wanted tensors; empty if nothing.

    ``12 missing (a, b, c, ...); 1 unexpected (d); 1 of another shape (e (2, 3) for (3, 2))``.
    Floats of 16, 32 and 64 bits stand for each other, integers of any width as well, and floats
    that are whole numbers for integers.

    Args:
        given: Tensors or arrays.
        wanted: Tensors or arrays, of which only ``shape`` and ``dtype`` are read.
    """
    common = {name: (given[name], wanted[name]) for name in given if name in wanted}
    layouts = {name: _layout(value) for name, (value, _) in common.items()}
    differences: dict[str, Iterable[str]] = {
        'missing': wanted.keys() - given.keys(),
        'unexpected': given.keys() - wanted.keys(),
        'of another shape': [
            f'{name} {_shape(value)} for {_shape(own)}'
            for name, (value, own) in common.items()
            if _shape(value) != _shape(own)
        ],
        'of another type': [
            f'{name} {_kind(value)} for {_kind(own)}'
            for name, (value, own) in common.items()
            if hasattr(value, 'dtype') and not layouts[name] and not _converts(value, own)
        ],
        'not dense': [f'{name} {layout}' for name, layout in layouts.items() if layout],
    }
    return '; '.join(_some(what, names) for what, names in differences.items() if names)


def _shape(value: object) -> tuple[int, ...] | str:
    """Shape of a tensor; the type of anything else, which no shape equals."""
    return tuple(value.shape) if hasattr(value, 'shape') else type(value).__name__


def _kind(value: object) -> str:
    """Float or integer; the name of any other type, which equals itself alone."""
    dtype = str(value.dtype).removeprefix('torch.')
    return KINDS.get(dtype, dtype)


def _converts(value: Tensor, own: Tensor) -> bool:
    """Whether values can be converted; a network of half precision has floats as counters."""
    kinds = _kind(value), _kind(own)
    return kinds[0] == kinds[1] or (kinds == ('float', 'integer') and _is_whole(value))


def _is_whole(value: Tensor) -> bool:
    value = torch.as_tensor(value).double()
    return bool((value.isfinite() & (value == value.round())).all())


def _layout(value: object) -> str:
    """How a tensor is stored that is not dense; empty for one that is."""
    if not isinstance(value, Tensor):
        return ''
    if value.is_meta:
        return 'on the meta device'
    if value.is_quantized:
        return 'quantised'
    return '' if value.layout == torch.strided else str(value.layout).removeprefix('torch.')


def _some(what: str, names: Iterable[str], limit: int = 3) -> str:
    """Count and the first names: ``12 missing (a, b, c, ...)``."""
    names = sorted(names)
    dots = ', ...' if len(names) > limit else ''
    return f'{len(names)} {what} ({", ".join(names[:limit])}{dots})'
