"""Files of named tensors: those of torch, and ``.safetensors``."""

import os
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from senet_mm.engine.checkpoint import load_from_local
from senet_mm.utils.files import atomic_file

# Where a training run of timm, mmpretrain or torchvision keeps the weights.
WRAPPERS = ('state_dict', 'model')


def read_tensors(path: str | os.PathLike) -> dict[str, Tensor]:
    """The tensors of a file by name; no code in it is run.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged or holds something else.
    """
    tensors = _read_safetensors(path) if Path(path).suffix == '.safetensors' else _read_torch(path)
    others = [name for name, value in tensors.items() if not isinstance(value, Tensor)]
    if others or not tensors:
        what = f'{others[0]} is no tensor' if others else 'it is empty'
        raise ValueError(f'{path} does not hold the weights of a network: {what}')
    return {name.removeprefix('module.'): value for name, value in tensors.items()}


def write_tensors(path: str | os.PathLike, tensors: dict[str, Tensor]) -> None:
    """Write tensors, as ``.safetensors`` or else as torch does, completely or not at all."""
    with atomic_file(path) as file:
        if Path(path).suffix == '.safetensors':
            file.write(safetensors.torch.save(tensors, metadata={'format': 'pt'}))
        else:
            torch.save(tensors, file)


def _read_safetensors(path: str | os.PathLike) -> dict[str, Tensor]:
    if not os.path.isfile(path):
        raise FileNotFoundError(f'{path} does not exist')
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(f'{path} is damaged or no .safetensors: {error}') from error


def _read_torch(path: str | os.PathLike) -> dict[str, Tensor]:
    content = load_from_local(str(path), map_location='cpu')
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            return content[wrapper]
    if not isinstance(content, dict):
        raise ValueError(f'{path} holds a {type(content).__name__}; allowed: tensors by name')
    return content
