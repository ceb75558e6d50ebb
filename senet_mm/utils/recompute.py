"""Recomputation of modules in the backward pass, which saves activations."""

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
    """Restore the buffers (running statistics) of modules in train mode at the end.

    Inside, the buffers are copies: writing the originals would spoil what autograd saved.
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
    # A compiler cannot trace these contexts. It never repeats a side effect, so needs none.
    if torch.compiler.is_compiling():
        return checkpoint(function, *args, use_reentrant=False)

    def contexts() -> tuple[AbstractContextManager, AbstractContextManager]:
        """Contexts of the forward pass and of its repetition."""
        return nullcontext(), buffers_kept([module])

    return checkpoint(function, *args, use_reentrant=False, context_fn=contexts)
