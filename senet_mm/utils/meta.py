"""Forward passes that cost nothing."""

import torch
from torch import nn


def run_on_meta(model: nn.Module, shape: tuple[int, int, int]) -> object:
    """The output of a model in eval mode for one image, on the meta device: shapes, no numbers.

    Weights, statistics and modes are left as they are.

    Args:
        model: The model, on any device.
        shape: Shape of the image, (C, H, W).
    """
    state = model.state_dict(keep_vars=True) | dict(model.named_buffers())
    meta_state = {name: tensor.to('meta') for name, tensor in state.items()}
    modes = {module: module.training for module in model.modules()}
    for module in modes:
        module.training = False
    try:
        with torch.no_grad():
            image = torch.empty(1, *shape, device='meta')
            return torch.func.functional_call(model, meta_state, image)
    finally:
        for module, mode in modes.items():
            module.training = mode
