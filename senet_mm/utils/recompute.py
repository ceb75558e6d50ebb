"""Modules that are computed again in the backward pass, so that fewer activations are kept."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TypeVar

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

Output = TypeVar('Output')


@contextmanager
def buffers_kept(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Undo what is done within to the buffers (running statistics) of modules in train mode.

    The buffers are exchanged, not restored: autograd may have saved them.
    """
    parts = {part: None for module in modules for part in module.modules()}
    owners = [part for part in parts if part.training and part._buffers]
    kept = [dict(part._buffers) for part in owners]
    for part in owners:
        part._buffers.update({k: v.clone() for k, v in part._buffers.items() if v is not None})
    try:
        yield
    finally:
        for part, buffers in zip(owners, kept, strict=True):
            part._buffers.update(buffers)


def recompute(
    module: nn.Module, forward: Callable[..., Output], *args: object, **kwargs: object
) -> Output:
    """``forward(*args, **kwargs)``, computed again in the backward pass.

    Args:
        module: Whose forward it is; its running statistics move once.
        forward: The function.
        *args: Its arguments.
        **kwargs: Its arguments by name.
    """
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    function = partial(forward, **kwargs)
    # A compiler takes no such contexts; it repeats what it needs, and never a side effect.
    if torch.compiler.is_compiling():
        return checkpoint(function, *args, use_reentrant=False)

    def contexts() -> tuple[AbstractContextManager, AbstractContextManager]:
        """Of the forward pass, and of its repetition."""
        return nullcontext(), buffers_kept([module])

    return checkpoint(function, *args, use_reentrant=False, context_fn=contexts)
