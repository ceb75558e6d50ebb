"""Types for custom autograd functions that torch's stubs lack."""

from torch import Tensor
from torch.autograd.function import FunctionCtx


class Context(FunctionCtx):
    """The context of an autograd function, as its ``forward`` and ``backward`` see it."""

    saved_tensors: tuple[Tensor, ...]
