"""Files of named tensors: those of torch, and ``.safetensors``."""

import os
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from senet_mm.engine.weights.checkpoint import load_from_local
from senet_mm.engine.weights.state_dict import get_state_dict
from senet_mm.utils.files import atomic_file


def read_tensors(path: str | os.PathLike) -> dict[str, Tensor]:
    """The tensors of a file by name; no code in it is run.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged or holds something else.
    """
    return tensors_in(load_from_local(str(path), map_location='cpu'), path)


def tensors_in(content: object, path: str | os.PathLike) -> dict[str, Tensor]:
    """The tensors by name in the content of a file, see :func:`get_state_dict`.

    Raises:
        ValueError: There are none, or something else is among them.
    """
    state = get_state_dict(content, str(path))
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise ValueError(f'{path} holds no tensors by name: {name} is {type(value).__name__}')
    return state


def write_tensors(path: str | os.PathLike, tensors: dict[str, Tensor]) -> None:
    """Write tensors, as ``.safetensors`` or else as torch does, completely or not at all."""
    with atomic_file(path) as file:
        if Path(path).suffix == '.safetensors':
            file.write(safetensors.torch.save(tensors, metadata={'format': 'pt'}))
        else:
            torch.save(tensors, file)
