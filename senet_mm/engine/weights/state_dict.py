"""The state dict in a checkpoint, whatever it is wrapped in."""

import re
from collections.abc import Mapping

from torch import Tensor

# Keys under which a training run keeps the weights; the first that holds a dict is taken. They are
# those of mmengine, timm and Lightning, torchvision, PyTorch's tutorials, DeepSpeed, and scripts
# of papers.
KEYS = ('state_dict', 'model', 'model_state_dict', 'module', 'net', 'network', 'params')
# What data parallel wrappers and compiled modules add to names.
ADDED = re.compile(r'^(module\.|_orig_mod\.)+|(?<=\.)_orig_mod\.')


def get_state_dict(checkpoint: object, filename: str) -> dict[str, Tensor]:
    """The state dict of a checkpoint, without what wrappers add to its names.

    Args:
        checkpoint: A state dict, or a dict that holds one under one of ``KEYS``.
        filename: Where the checkpoint is from, for messages.

    Returns:
        Tensors by name. Values that are no tensors stay among them, for the caller to refuse.

    Raises:
        ValueError: There is no state dict, or two of its names become one.
    """
    state_dict = checkpoint
    if isinstance(checkpoint, Mapping):
        inner = (checkpoint[key] for key in KEYS if isinstance(checkpoint.get(key), Mapping))
        state_dict = next(inner, checkpoint)
    if not isinstance(state_dict, Mapping) or not any(
        isinstance(value, Tensor) for value in state_dict.values()
    ):
        raise ValueError(f'checkpoint {filename} holds no tensors by name')
    plain = {ADDED.sub('', str(name)): value for name, value in state_dict.items()}
    if len(plain) < len(state_dict):
        raise ValueError(
            f'checkpoint {filename} holds a tensor twice, with and without module. or _orig_mod.'
        )
    return plain


def under_prefix(state_dict: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it: ``backbone.``, ``module.``."""
    return {
        name.removeprefix(prefix): value
        for name, value in state_dict.items()
        if name.startswith(prefix)
    }
