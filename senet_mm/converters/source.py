"""A file of weights of another project."""

import os
from functools import cached_property
from pathlib import Path

from torch import Tensor

from senet_mm.engine.weights.origin import Origin, read_origin
from senet_mm.engine.weights.safe_load import load_from_local

from .tensor_files import tensors_in


class Source:
    """A file of weights; what it holds is read when it is first asked for, and once.

    Args:
        name: Its path, as it was given.

    Attributes:
        path: Its path.
    """

    def __init__(self, name: str | os.PathLike) -> None:
        self.name, self.path = str(name), Path(name)

    @cached_property
    def content(self) -> object:
        """What a file of torch, or ``.safetensors``, holds; see :func:`load_from_local`."""
        return load_from_local(self.name, map_location='cpu')

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Its tensors by name; see :func:`.tensors_in`."""
        return tensors_in(self.content, self.name)

    @cached_property
    def origin(self) -> Origin:
        """What it says of its origin."""
        return read_origin(self.content, self.name)
