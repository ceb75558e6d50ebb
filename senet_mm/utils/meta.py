"""Forward passes that cost nothing."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Have all modules of a model in eval mode, afterwards each in the mode in which it was."""
    modes = {module: module.training for module in model.modules()}
    for module in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def run_on_meta(model: nn.Module, shape: tuple[int, int, int], training: bool = False) -> object:
    """The output of a model for one image, on the meta device: shapes, no numbers.

    Weights, statistics and modes are left as they are.

    Args:
        model: The model, on any device.
        shape: Shape of the image, (C, H, W).
        training: Whether the model is in train mode.
    """
    state = model.state_dict(keep_vars=True) | dict(model.named_buffers())
    meta_state = {name: tensor.to('meta') for name, tensor in state.items()}
    image = torch.empty(1, *shape, device='meta')
    with evaluating(model), torch.no_grad():
        if training:
            model.train()
        return torch.func.functional_call(model, meta_state, image)
