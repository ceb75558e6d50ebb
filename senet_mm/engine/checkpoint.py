"""Loading of checkpoints: nothing is executed, nothing is skipped in silence."""

import os
import pickle
import re
from collections.abc import Iterable, Mapping

import torch
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import get_torch_safe_globals
from torch import Tensor, nn


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: str | None = None) -> dict:
    """Read a checkpoint file as tensors and plain data.

    It replaces mmengine's loader of local files for the whole process, ``init_cfg`` included: that
    one falls back to full unpickling, which runs whatever code a hostile file holds.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds more than data, or is damaged.
    """
    filename = os.path.expanduser(filename)
    if not os.path.isfile(filename):
        raise FileNotFoundError(f'checkpoint {filename} does not exist')
    try:
        with torch.serialization.safe_globals(get_torch_safe_globals()):
            return torch.load(filename, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        name = re.search(r'GLOBAL (\S+)', str(error))
        what = f'it refers to {name[1]}' if name else 'it is no checkpoint'
        raise ValueError(
            f'checkpoint {filename} is refused: {what}; allowed: tensors and plain data'
        ) from error
    except (RuntimeError, EOFError, KeyError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f'checkpoint {filename} is damaged or no checkpoint: {reason}') from error


def get_state_dict(checkpoint: dict, filename: str) -> dict[str, Tensor]:
    """The state dict of a checkpoint, without the names that data parallel wrappers add.

    Args:
        checkpoint: A state dict, or a dict that holds one under ``state_dict``.
        filename: Where the checkpoint is from, for the message.

    Raises:
        ValueError: There is none.
    """
    state_dict = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(state_dict, dict):
        raise ValueError(f'checkpoint {filename} holds no state dict')
    return {str(name).removeprefix('module.'): value for name, value in state_dict.items()}


def load_strictly(
    model: nn.Module, checkpoint: dict, filename: str, new_head: bool = False
) -> None:
    """Fill every parameter and buffer of ``model`` from ``checkpoint``, or change nothing.

    Args:
        model: The model.
        checkpoint: A state dict, or a dict that holds one under ``state_dict``.
        filename: Where the checkpoint is from, for the message.
        new_head: Leave a head of another class count as it is initialised, with a line in the log.

    Raises:
        ValueError: Names or shapes differ.
    """
    state_dict = get_state_dict(checkpoint, filename)
    if new_head:
        state_dict = with_own_head(state_dict, model, filename)
    if said := describe_misfit(state_dict, model.state_dict()):
        raise ValueError(f'checkpoint {filename} does not fit the model of the config: {said}')
    model.load_state_dict(state_dict)


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


def _shape(value: object) -> tuple[int, ...] | str:
    """Shape of a tensor; the type of anything else, which no shape equals."""
    return tuple(value.shape) if hasattr(value, 'shape') else type(value).__name__


def describe_misfit(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """What stands between the given and the wanted tensors, names and shapes; empty if nothing.

    ``12 missing (a, b, c, ...); 1 unexpected (d); 1 of another shape (e (2, 3) for (3, 2))``. Of a
    tensor, only ``shape`` is read.
    """
    reshaped = [
        f'{name} {_shape(value)} for {_shape(wanted[name])}'
        for name, value in given.items()
        if name in wanted and _shape(value) != _shape(wanted[name])
    ]
    differences = {
        'missing': wanted.keys() - given.keys(),
        'unexpected': given.keys() - wanted.keys(),
        'of another shape': reshaped,
    }
    return '; '.join(_some(what, names) for what, names in differences.items() if names)


def _some(what: str, names: Iterable[str], limit: int = 3) -> str:
    """Count and the first names: ``12 missing (a, b, c, ...)``."""
    names = sorted(names)
    dots = ', ...' if len(names) > limit else ''
    return f'{len(names)} {what} ({", ".join(names[:limit])}{dots})'
