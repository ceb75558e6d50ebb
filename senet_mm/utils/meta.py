"""Forward passes that cost nothing."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from .errors import InputError

# Features and rows of a matrix that do not fit, as torch names them on any device.
SHAPES = re.compile(r'(\d+)(?:\] X \[| and )(\d+)')


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put all modules of a model in eval mode; restores the mode of each afterwards."""
    modes = {module: module.training for module in model.modules()}
    for module in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


# Attributes by which modules of mmpretrain, timm, torchvision and transformers compute parts of
# themselves again in the backward pass.
SWITCHES = (
    'with_cp', 'use_checkpoint', 'grad_checkpointing', 'gradient_checkpointing', 'memory_efficient',
)  # fmt: skip


def recomputing_modules(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """The modules that recompute in the backward pass, with the attribute that says so."""
    return [
        (module, switch)
        for module in model.modules()
        for switch in SWITCHES
        if getattr(module, switch, None) is True
    ]


@contextlib.contextmanager
def computing_once(model: nn.Module) -> Iterator[None]:
    """Switch off gradients and recomputation, on which a tracer fails."""
    switches = recomputing_modules(model)
    for module, switch in switches:
        setattr(module, switch, False)
    try:
        with torch.no_grad():
            yield
    finally:
        for module, switch in switches:
            setattr(module, switch, True)


# Where PyTorch keeps what belongs to a module.
TABLES = ('_parameters', '_buffers', '_modules', '_non_persistent_buffers_set')


@contextlib.contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Restore the buffers, children and attributes of a model's modules at the end.

    Inside, the buffers are copies: a reference to an original stays valid.
    """
    kept = []
    for module in model.modules():
        tables = {name: vars(module)[name].copy() for name in TABLES}
        kept.append((module, vars(module).copy(), tables))
        for name, buffer in tables['_buffers'].items():
            module._buffers[name] = buffer if buffer is None else buffer.clone()
    try:
        yield
    finally:
        for module, attributes, tables in kept:
            vars(module).clear()
            vars(module).update(attributes)
            for name, table in tables.items():
                vars(module)[name].clear()
                vars(module)[name].update(table)


def run_on_meta(model: nn.Module, shape: tuple[int, ...], training: bool = False) -> Any:
    """The output of a model for one image, on the meta device: shapes, no numbers.

    Weights, statistics and modes are left as they are.

    Args:
        model: The model, on any device.
        shape: Shape of the image, (C, H, W).
        training: Whether the model is in train mode.

    Raises:
        InputError: The head does not fit what it is given.
    """
    state = model.state_dict(keep_vars=True) | dict(model.named_buffers())
    meta_state = {name: tensor.to('meta') for name, tensor in state.items()}
    image = torch.empty(1, *shape, device='meta')
    with evaluating(model), torch.no_grad():
        if training:
            model.train()
        try:
            return torch.func.functional_call(model, meta_state, image)
        except RuntimeError as error:
            if line := explain_head(model, error):
                raise InputError(line) from error
            raise


def explain_head(model: nn.Module, error: Exception) -> str | None:
    """That ``in_channels`` of a head is wrong, if an error of a forward pass says so."""
    found = SHAPES.search(str(error))
    wanted = getattr(getattr(model, 'head', None), 'in_channels', None)
    if not found or str(wanted) != found[2]:
        return None
    return f'model.head.in_channels={wanted}; allowed: {found[1]}, the features that it is given'
