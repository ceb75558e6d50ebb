"""Weights and preprocessing for images of three channels, adapted to another number of channels.

The rule is timm's (``adapt_input_conv``). For one channel the kernels of the three are summed; for
n they are repeated, 0 1 2 0 1 ..., and multiplied by 3 / n, so that the sum over the channels, the
response to a uniform image, stays about as large.
"""

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from senet_mm.config.channels import COLOURS, adapt_numbers
from senet_mm.models.in_channels import find_stem
from senet_mm.utils.errors import InputError
from senet_mm.utils.names import counted

from .foreign import with_conversion
from .misfit import describe_misfit


def adapt_kernels(weight: Tensor, channels: int) -> Tensor:
    """Kernels for another number of channels, (O, C, H, W), in their precision.

    Args:
        weight: Kernels for three channels, (O, 3, H, W).
        channels: C.
    """
    if channels == COLOURS:
        return weight
    precise = weight.to(torch.promote_types(weight.dtype, torch.float32))
    if channels == 1:
        return precise.sum(1, keepdim=True).to(weight.dtype)
    order = [i % COLOURS for i in range(channels)]
    return (precise[:, order] * (COLOURS / channels)).to(weight.dtype)


def with_own_stem(
    state_dict: dict[str, Tensor], model: nn.Module, filename: str
) -> dict[str, Tensor]:
    """A state dict whose stem is adapted to the images of a model, with a line in the log.

    Args:
        state_dict: The state dict of a checkpoint, with the model's names.
        model: The model.
        filename: Where the checkpoint is from, for messages.

    Raises:
        InputError: The stem is for another number of channels than the model's, and not for three.
    """
    own = model.state_dict()
    others = {
        name for name, value in own.items() if _differ_in_channels(state_dict.get(name), value)
    }
    names = (
        [name for part in find_stem(model) if (name := f'{part}.weight') in others]
        if others
        else []
    )
    if not names:
        return state_dict
    given, wanted = state_dict[names[0]].shape[1], own[names[0]].shape[1]
    if given != COLOURS:
        if describe_misfit({**state_dict, **{name: own[name] for name in names}}, own):
            return state_dict  # of another network; all that differs is said
        fitting = ' or '.join(map(str, sorted({COLOURS, wanted})))
        message = (
            f'checkpoint {filename} does not fit the model of the config: it is for images of '
            f'{counted(given, "channel")}, the network for {wanted}; allowed: weights for '
            f'{fitting}, or in_channels={given}'
        )
        raise InputError(with_conversion(message, filename, state_dict))
    print_log(f'checkpoint {filename} {describe_adapted(names, wanted)}', logger='current')
    return {**state_dict, **{name: adapt_kernels(state_dict[name], wanted) for name in names}}


def describe_adapted(names: list[str], channels: int) -> str:
    """What is done to the kernels of some names, for the log."""
    how = 'summed' if channels == 1 else f'repeated and multiplied by {COLOURS}/{channels}'
    return (
        f'is for images of {COLOURS} channels; for {channels} the kernels of the first convolution '
        f'are {how} ({", ".join(names)})'
    )


def _differ_in_channels(given: object, own: Tensor) -> bool:
    return (
        isinstance(given, Tensor)
        and given.dim() == own.dim() == 4
        and given.shape[1] != own.shape[1]
        and (given.shape[0], *given.shape[2:]) == (own.shape[0], *own.shape[2:])
    )


def is_for(described: Mapping, channels: int) -> bool:
    """Whether a description of how images are prepared is for a number of channels."""
    size, mean = described.get('input_size'), described.get('mean')
    return channels == (size[0] if size else len(mean or []) or channels)


def adapt_preprocessing(described: Mapping, channels: int) -> dict[str, Any]:
    """A description of how images of three channels are prepared, for another number of channels.

    See :mod:`senet_mm.engine.weights.preprocessing`; one of another number of channels is returned
    as it is.
    """
    adapted = dict(described)
    for name in ('mean', 'std'):
        if numbers := described.get(name):
            adapted[name] = adapt_numbers(numbers, channels)
    size = described.get('input_size')
    if size and size[0] == COLOURS:
        adapted['input_size'] = [channels, *size[1:]]
    if 'channel_order' in described and channels not in (COLOURS, COLOURS + 1):
        adapted['channel_order'] = None
    return adapted
