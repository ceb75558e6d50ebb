"""The state dicts of timm, mmpretrain and torchvision as ours, and back."""

import re
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from senet_mm.engine.weights.checkpoint import describe_misfit

from .networks import describe_options

if TYPE_CHECKING:
    from .format import Format
    from .target import Target

# Counters of batches, which averaging with a momentum does not need: a file may lack them.
COUNTER = 'num_batches_tracked'


def their_name(ours: str, form: 'Format') -> str:
    """The name of one of our tensors in another project; empty where that has none."""
    for pattern, replacement in form.names.items():
        ours = re.sub(pattern, replacement, ours)
    return ours


def from_state_dict(
    theirs: dict[str, Tensor], form: 'Format', target: 'Target'
) -> tuple[dict[str, Tensor], list[str]]:
    """Our state dict with the tensors of another project, in the types of ours.

    Args:
        theirs: Their tensors: weights (out, in, kernel, kernel) or (out, in), biases and norms
            (channels,), counters ().
        form: Their format.
        target: The network of ours.

    Returns:
        The state dict, and the names of those of our tensors that the other project never has:
        these are initialised as the config says.

    Raises:
        ValueError: A tensor is missing, has no place or another shape.
    """
    names = {key: their_name(key, form) for key in target.tensors}
    initialised = [key for key, name in names.items() if not name]
    zeros = {key for key, name in names.items() if key.endswith(COUNTER) and name not in theirs}
    taken = {key: name for key, name in names.items() if name and key not in zeros}
    wanted = {name: _as_theirs(target.tensors[key], name, form) for key, name in taken.items()}
    if misfit := describe_misfit(theirs, wanted):
        options = describe_options(target.config) if 'timm' in form.title else ''
        raise ValueError(
            f'it does not fit config {target.config} as a network of {form.title}: {misfit}'
            + (f'; allowed: {options}' if options else '')
        )
    state = target.initialise() if initialised else {}
    for key, own in target.tensors.items():
        if key in taken:
            state[key] = theirs[taken[key]].to(own.dtype).reshape(own.shape).contiguous()
        elif key in zeros:
            state[key] = torch.zeros_like(own, device='cpu')
    return state, initialised


def to_state_dict(state: dict[str, Tensor], form: 'Format', target: 'Target') -> dict[str, Tensor]:
    """Our state dict with the names of another project.

    Raises:
        ValueError: The other project has no such tensor.
    """
    names = {key: their_name(key, form) for key in state}
    unnamed = [key for key, name in names.items() if not name]
    if unnamed:
        raise ValueError(
            f'config {target.config}: {form.title} has no place for {len(unnamed)} tensors '
            f'({unnamed[0]}, ...); allowed: a config without SE'
        )
    return {names[key]: _as_theirs(state[key], names[key], form) for key in state}


def _as_theirs(tensor: Tensor, name: str, form: 'Format') -> Tensor:
    """A tensor of ours with the axes that it has under its name there."""
    is_matrix = form.matrices is not None and re.search(form.matrices, name)
    return tensor.flatten(1) if is_matrix else tensor
