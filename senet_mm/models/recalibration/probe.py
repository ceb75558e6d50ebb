"""Forward passes on the meta device: channels and stage of a site, and calls of each layer."""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple, TypeGuard

from torch import Tensor, nn

from senet_mm.utils.errors import name_error
from senet_mm.utils.meta import run_on_meta

from .ports import stage_by_name
from .sites import Site

# Rows that the larger of two images has more; no network has a larger stride.
MORE = 1024


class Probe(NamedTuple):
    """Channels of the map at a port, and stage of its block (2 to 5 in a ResNet)."""

    channels: int
    stage: int


class Seen(NamedTuple):
    """Values that a forward pass gave at a port, and outputs of its block."""

    port: list
    block: list

    @property
    def maps(self) -> list[Tensor]:
        """The block's first output and the port's first value, as far as they are (N, C, H, W)."""
        return [value for value in (*self.block[:1], *self.port[:1]) if is_map(value)]


def is_map(value: object) -> TypeGuard[Tensor]:
    """Whether a value is (N, C, H, W)."""
    return isinstance(value, Tensor) and value.dim() == 4


def probe(backbone: nn.Module, sites: Sequence[Site], input_size: int) -> list[Probe]:
    """Channels and stages of all sites; an error unless each port sees one map per forward pass."""
    first = _watch(backbone, sites, input_size)
    channels = [
        _only_map(site, seen.port).shape[1] for site, seen in zip(sites, first, strict=True)
    ]
    named = [stage_by_name(backbone, site.name) for site in sites]
    larger = _watch(backbone, sites, input_size + MORE, may_fail=True) if None in named else first
    stages = [
        name or _stage(a.maps, b.maps, input_size)
        for name, a, b in zip(named, first, larger, strict=True)
    ]
    return [Probe(*pair) for pair in zip(channels, stages, strict=True)]


def _stage(maps: list[Tensor], larger_maps: list[Tensor], input_size: int) -> int:
    """Binary logarithm of the stride, from the first map (N, C, H, W) for each of two image sizes.

    The stride is the difference of the images' rows over that of the maps' rows: rows that
    convolutions without padding cut off cancel. If the map does not grow, or the network takes one
    size alone, it is the image's rows over the map's.
    """
    height = maps[0].shape[2]
    larger = larger_maps[0].shape[2] if larger_maps else height
    if larger > height:
        return round(math.log2(MORE / (larger - height)))
    return round(math.log2(input_size / height))


def _watch(
    backbone: nn.Module, sites: Sequence[Site], side: int, may_fail: bool = False
) -> list[Seen]:
    """Run the network on one image and record what each site sees.

    With ``may_fail`` an error in the network just ends the pass: a classifier for images of one
    size, at its end, fails on others.
    """
    seen = [Seen([], []) for _ in sites]
    with ExitStack() as hooks:
        for site, (port, block) in zip(sites, seen, strict=True):
            handle = site.block.register_forward_hook(_Recorder(block).output)
            hooks.callback(handle.remove)
            if site.port.side == 'in':
                handle = site.target.register_forward_pre_hook(_Recorder(port).input)
            else:
                handle = site.target.register_forward_hook(_Recorder(port).output)
            hooks.callback(handle.remove)
        try:
            run_on_meta(backbone, (_in_channels(backbone), side, side))
        except Exception:
            if not may_fail:
                raise
    return seen


def _in_channels(backbone: nn.Module) -> int:
    """Input channels of the first convolution, which are those of the image."""
    convs = (m.in_channels for m in backbone.modules() if isinstance(m, nn.Conv2d))
    return next(convs, 3)


class _Recorder:
    """Hooks that keep what goes into or comes out of a module."""

    def __init__(self, seen: list) -> None:
        self.seen = seen

    def input(self, module: nn.Module, args: tuple) -> None:
        self.seen.append(args[0] if args else None)

    def output(self, module: nn.Module, args: tuple, output: Tensor) -> None:
        self.seen.append(output)


def _only_map(site: Site, seen: list) -> Tensor:
    """The map (N, C, H, W) that a site saw; an error unless it saw exactly one."""
    if len(seen) == 1 and is_map(seen[0]):
        return seen[0]
    how = f'{len(seen)} times' if len(seen) != 1 else 'with something else than a map'
    raise ValueError(
        f'block {site.name}: {site.port} is used {how} in a forward pass; '
        'allowed: once, with a map (N, C, H, W)'
    )


def prove_used_once(backbone: nn.Module, layers: dict[str, nn.Module], input_size: int) -> None:
    """Run the network with its layers, and count the calls of each.

    During the pass a layer returns its input: only the calls matter here.

    Args:
        backbone: The network.
        layers: The layers by their paths.
        input_size: Side of the image.

    Raises:
        ValueError: A layer does not run exactly once, or the network does not run with them.
    """
    counters = {path: _Counter() for path in layers}
    with ExitStack() as forwards:
        for path, layer in layers.items():
            forwards.callback(vars(layer).update, vars(layer).copy())
            forwards.callback(vars(layer).pop, 'forward')
            layer.forward = counters[path]
        try:
            run_on_meta(backbone, (_in_channels(backbone), input_size, input_size))
        except Exception as error:
            raise ValueError(
                f'{type(backbone).__name__} does not run with the layers in it '
                f'({name_error(error)}); allowed: other blocks or another port'
            ) from error
    for path, counter in counters.items():
        if counter.calls != 1:
            raise ValueError(
                f'the layer {path} runs {counter.calls} times in a forward pass: '
                'the network goes through the children of that block; allowed: blocks inside of it'
            )


class _Counter:
    """Replaces the forward of a layer: counts calls and returns the input (N, C, H, W)."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x
