"""Hooks on the modules of a network: those that compute a part of it, and those that watch it."""

import copy
from collections.abc import Callable

from torch import nn

# Where PyTorch keeps the hooks of a module.
TABLES = ('_forward_pre_hooks', '_forward_hooks', '_backward_pre_hooks', '_backward_hooks')


def computes(hook: Callable) -> bool:
    """Whether a hook is a part of the network: it says so, or is PyTorch's (a weight norm)."""
    owner = hook if hasattr(hook, '__qualname__') else type(hook)
    return getattr(hook, 'computes', False) or owner.__module__.partition('.')[0] == 'torch'


def copy_unwatched(network: nn.Module) -> nn.Module:
    """A copy of a network without the hooks that watch it: they must not see what the copy does."""
    tables = [getattr(module, name) for module in network.modules() for name in TABLES]
    kept = [table.copy() for table in tables]
    for table, hooks in zip(tables, kept, strict=True):
        for key, hook in hooks.items():
            if not computes(hook):
                del table[key]
    try:
        return copy.deepcopy(network)
    finally:
        # The same tables in the same order: whoever registered a hook can still remove it.
        for table, hooks in zip(tables, kept, strict=True):
            table.clear()
            table.update(hooks)
