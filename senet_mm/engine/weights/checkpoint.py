"""Loads state dicts: every tensor fits, or the model stays as it is and one line says why."""

import logging
from collections.abc import Mapping

from mmengine.logging import print_log
from torch import Tensor, nn

from senet_mm.utils.errors import InputError

from .foreign import with_conversion
from .misfit import count_names, describe_misfit
from .safe_load import load_from_local
from .state_dict import get_state_dict
from .stem import with_own_stem

__all__ = [
    'check_fits',
    'describe_misfit',
    'fit_checkpoint',
    'get_state_dict',
    'load_from_local',
    'load_strictly',
    'with_own_head',
    'with_own_stem',
]


def fit_checkpoint(
    checkpoint: dict,
    model: nn.Module,
    filename: str,
    new_head: bool = False,
    new_stem: bool = False,
) -> dict:
    """A checkpoint whose ``state_dict`` fits a model, with the model's names; nothing is changed.

    Args:
        checkpoint: A state dict, or what holds one, see :func:`get_state_dict`.
        model: The model.
        filename: Where the checkpoint is from, for messages.
        new_head: Put the model's head in the place of one of another class count, with a line in
            the log.
        new_stem: Adapt a stem for three channels to the images of the model, with a line in the
            log; see :mod:`senet_mm.engine.weights.stem`.

    Raises:
        ValueError: Names, shapes or types differ.
    """
    state_dict = get_state_dict(checkpoint, filename)
    if new_head:
        state_dict = with_own_head(state_dict, model, filename)
    if new_stem:
        state_dict = with_own_stem(state_dict, model, filename)
    check_fits(state_dict, model, filename)
    others = checkpoint if 'state_dict' in checkpoint else {}
    return {**others, 'state_dict': state_dict}


def load_strictly(
    model: nn.Module,
    checkpoint: dict,
    filename: str,
    new_head: bool = False,
    new_stem: bool = False,
) -> None:
    """Fill every parameter and buffer of ``model`` from ``checkpoint``, or change nothing.

    A line in the log names tensors with values that are not finite. See :func:`fit_checkpoint` for
    arguments and errors.
    """
    fitted = fit_checkpoint(checkpoint, model, filename, new_head, new_stem)
    state_dict = fitted['state_dict']
    model.load_state_dict(state_dict)
    report_not_finite(state_dict, filename)


def find_not_finite(state_dict: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors with values that are NaN or infinite."""
    return [name for name, value in state_dict.items() if not value.isfinite().all()]


def report_not_finite(state_dict: Mapping[str, Tensor], filename: str) -> None:
    """Log a line that names tensors with values that are not finite."""
    if broken := find_not_finite(state_dict):
        said = count_names('tensors with values that are not finite', broken)
        print_log(f'checkpoint {filename}: {said}', logger='current', level=logging.WARNING)


def check_fits(state_dict: dict[str, Tensor], model: nn.Module, filename: str) -> None:
    """Raise a ValueError for a state dict that does not fit the model exactly."""
    misfit = describe_misfit(state_dict, model.state_dict())
    arrays = [name for name, value in state_dict.items() if not isinstance(value, Tensor)]
    if misfit or arrays:
        misfit = misfit or count_names('no tensors', arrays)
        message = f'checkpoint {filename} does not fit the model of the config: {misfit}'
        raise InputError(with_conversion(message, filename, state_dict))


def with_own_head(
    state_dict: dict[str, Tensor], model: nn.Module, filename: str
) -> dict[str, Tensor]:
    """A state dict in which a head of another class count is replaced by the model's.

    Args:
        state_dict: The state dict of a checkpoint; tensors of its head are (classes, ...).
        model: The model, with an initialised head.
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
