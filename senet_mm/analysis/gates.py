"""The gates of one forward pass, and a network without some of them."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from .names import PAPER_NAME, find_gates, has_scale

# Paths of layers that name stage and block: layers.0.3.se, inception_4a.se, stage1.unit2.se.
STAGE_IN_PATH = re.compile(r'(.*?\d)(?:[a-z]|\.[a-z]*\d+)(?:\.\w+)*')


def stages_of(names: Collection[str]) -> dict[str, list[str]]:
    """Blocks by stage: ``SE_2`` for ``SE_2_1``, ``layers.0`` for ``layers.0.3.se``.

    Another block is a stage of its own.
    """
    stages: dict[str, list[str]] = {}
    for name in names:
        stages.setdefault(_stage_of(name), []).append(name)
    return stages


def _stage_of(name: str) -> str:
    if PAPER_NAME.fullmatch(name):
        return name.rpartition('_')[0]
    found = STAGE_IN_PATH.fullmatch(name)
    return found[1] if found else name


def watch_gate(layer: nn.Module, keep: Callable[[Tensor], None]) -> RemovableHandle:
    """Call a function with the gate at every forward pass of a layer of :func:`find_gates`."""
    if has_scale(layer):
        return layer.register_forward_pre_hook(lambda layer, args: keep(layer.scale(args[0])))
    return layer.get_submodule('gate').register_forward_hook(lambda _, args, out: keep(out))


@contextmanager
def watched_gates(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """The gates of the last forward pass within it by block, (N, C), the mean over positions.

    Raises:
        InputError: The network has no gates.
    """
    seen: dict[str, Tensor] = {}

    def keep(name: str, gate: Tensor) -> None:
        seen[name] = gate.detach().float().flatten(2).mean(2) if gate.ndim > 2 else gate.detach()

    with ExitStack() as stack:
        for name, layer in find_gates(model).items():
            stack.callback(watch_gate(layer, partial(keep, name)).remove)
        yield seen


@contextmanager
def opened_gates(model: nn.Module, names: Collection[str]) -> Iterator[None]:
    """Within it the gates of some blocks are 1: their layers return what they are given."""
    layers: Mapping[str, nn.Module] = find_gates(model)
    with ExitStack() as stack:
        for name in names:
            layer = layers[name]
            if has_scale(layer):
                hook = layer.register_forward_hook(lambda _, args, out: args[0])
            else:
                hook = layer.get_submodule('gate').register_forward_hook(
                    lambda _, args, out: torch.ones_like(out)
                )
            stack.callback(hook.remove)
        yield
