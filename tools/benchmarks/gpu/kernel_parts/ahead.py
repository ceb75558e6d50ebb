"""All kernels that the stage runs, compiled before it runs them, or for a GPU that is not there."""

from functools import partial

import torch

from senet_mm.ops import tiles

from . import speed
from .cases import DTYPES, VARIANTS
from .compiling import Calls, absent_gpu, narrow, warm_up
from .shapes import BATCHES, ODD, ODD_BATCHES, Map


def in_force(name: str, last: bool, _: torch.device) -> tiles.Tile:
    """The tile that a pass takes on this machine's GPU, for a tensor without memory."""
    return tiles.tile_for(name, last, torch.device('cuda' if torch.cuda.is_available() else 'cpu'))


def network_calls(sizes: list[Map], last: bool) -> list[Calls]:
    """What the networks need in a layout: with the tiles in force, and with those to try."""
    calls = [Calls(list(VARIANTS), sizes, BATCHES, DTYPES, [last], in_force)]
    for name in tiles.PASSES:
        names = [key for key, variant in VARIANTS.items() if variant.function == name]
        tried = speed.changes(name, last)
        if name in tiles.SUMS and last:
            tried += [tried[0]._replace(programs=number) for number in speed.PROGRAMS]
        for tile in tried:
            chosen = partial(lambda tile, *_: tile, tile)
            calls.append(Calls(names, sizes, BATCHES[1:], DTYPES[1:2], [last], chosen))
    return calls


def odd_calls() -> list[Calls]:
    """What the odd sizes need."""
    return [Calls(list(VARIANTS), ODD, ODD_BATCHES, DTYPES, [True, False], in_force)]


def compile_all(sizes: list[Map]) -> int:
    """Compile for this machine's GPU; returns the number of kernels."""
    calls = [*network_calls(sizes, True), *network_calls(sizes, False), *odd_calls()]
    return len(warm_up(calls))


def compile_for(capability: int, sizes: list[Map]) -> int:
    """Compile for a GPU that is not there; returns the number of kernels.

    Raises:
        ValueError: Channels-last, where the sizes of all networks allow it, a kernel takes less
            than 16 bytes at a time.
    """
    with absent_gpu(capability):
        wide = warm_up(network_calls(sizes, True))
        if names := narrow(wide):
            raise ValueError(f'{len(names)} kernels take less than 16 bytes: {set(names)}')
        return len(wide) + len(warm_up([*network_calls(sizes, False), *odd_calls()]))
