"""Hooks on modules: some compute a part of the network, the others only watch it."""

import copy
from collections.abc import Callable

from torch import nn

# Where PyTorch keeps the hooks of a module.
TABLES = ('_forward_pre_hooks', '_forward_hooks', '_backward_pre_hooks', '_backward_hooks')


def computes(hook: Callable) -> bool:
    """Whether a hook is part of the network: it is marked so, or is PyTorch's (a weight norm)."""
    owner = hook if hasattr(hook, '__qualname__') else type(hook)
    return getattr(hook, 'computes', False) or owner.__module__.partition('.')[0] == 'torch'


def copy_unwatched(network: nn.Module) -> nn.Module:
    """A copy of a network without the hooks that watch it, which must not see the copy run."""
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
