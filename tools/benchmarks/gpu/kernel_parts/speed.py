"""Time and bandwidth of the passes, against a copy of as many bytes; the best of a few tiles."""

import itertools
import time
from collections.abc import Callable, Mapping
from unittest import mock

import torch

from senet_mm.ops import kernels
from senet_mm.ops.tiles import DEFAULTS, SUMS, Tile, layout_name

from .cases import VARIANTS, Case, handles, make_case
from .shapes import Map

# A tile replaces the default one where it is faster by more than two timings of one tile differ.
SPREAD = 0.02


def measure(function: Callable[[], object]) -> float:
    """Seconds of a call: on a GPU the median over 10 ms, with its cache emptied before each call.

    The calls are replays of a graph, which leaves out the time that Python takes to launch.
    """
    if not torch.cuda.is_available():
        start = time.perf_counter()
        function()
        return time.perf_counter() - start
    from triton.testing import do_bench

    function()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return do_bench(graph.replay, warmup=2, rep=10, return_mode='median') / 1e3


def traffic(name: str, case: Case) -> int:
    """Bytes of the maps that a variant reads and writes."""
    return VARIANTS[name].maps * case.z.numel() * case.z.element_size()


def seconds_of(name: str, case: Case, tile: Tile | None = None) -> float:
    """Time of a variant on a case, with the tile in force or another one."""
    chosen = kernels.tile_for if tile is None else lambda *_: tile
    with mock.patch.object(kernels, 'tile_for', chosen):
        return measure(lambda: VARIANTS[name](case))


def seconds_of_copy(size: int, device: str) -> float:
    """Time of a copy that moves so many bytes, half of them read, half written."""
    source = torch.randint(0, 100, (size // 2,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return measure(lambda: target.copy_(source))


def time_passes(sizes: list[Map], batch: int, device: str) -> list[dict]:
    """A row for each variant, map and layout, in bfloat16: seconds, bytes, seconds of a copy."""
    rows, copies = [], {}
    for size, last in itertools.product(sizes, (True, False)):
        case = make_case(size, batch, torch.bfloat16, last, device)
        for name, variant in VARIANTS.items():
            moved = traffic(name, case)
            if moved not in copies:
                copies[moved] = seconds_of_copy(moved, device)
            seconds = seconds_of(name, case)
            grid, _, options = kernels._launch(variant.function, case.z)
            rows.append(
                dict(
                    name=name, layout=layout_name(last), shape=[batch, *size[:3]],
                    seconds=seconds, bytes=moved, rate=moved / seconds / 1e9,
                    of_copy=copies[moved] / seconds, programs=grid[0],
                    tile=[options['BC'], options['BP']],
                )
            )  # fmt: skip
    return rows


def changes(name: str, last: bool) -> list[Tile]:
    """Tiles to try in a pass; the default one is the first."""
    default = DEFAULTS[layout_name(last)]
    near = default.neighbours
    tried = [
        {},
        dict(values=4096),
        dict(values=4096, warps=8),
        dict(neighbours=near // 2),
        dict(neighbours=2 * near, values=4096, warps=8),
    ]
    if name in SUMS:
        tried += [
            dict(stages=3),
            dict(stages=4, values=1024),
            dict(stages=3, values=4096, warps=8),
            dict(stages=3, neighbours=near // 2),
        ]
    else:
        tried += [dict(values=1024, warps=2), dict(values=8192, warps=8)]
    return [default._replace(**change) for change in tried]


# Least programs of a sum to try.
PROGRAMS = (1, 512, 1024)


def step_seconds(
    name: str, last: bool, tiles: list[Tile], batch: int, device: str, network: Mapping[Map, int]
) -> dict[Tile, float]:
    """Time of a pass in all its calls of a training step, for each of some tiles.

    Args:
        name: The pass.
        last: Whether the layout is channels-last.
        tiles: The tiles.
        batch: Samples.
        device: Where the maps are.
        network: Its maps, and how many of each.
    """
    total = dict.fromkeys(tiles, 0.0)
    for size, count in network.items():
        case = make_case(size, batch, torch.bfloat16, last, device)
        for key, variant in VARIANTS.items():
            if variant.function == name and handles(variant, size):
                for tile in tiles:
                    total[tile] += count * seconds_of(key, case, tile)
    return total


def best_tile(
    name: str, last: bool, batches: tuple[int, int], device: str, network: Mapping[Map, int]
) -> tuple[Tile, list[dict]]:
    """The fastest tile of a pass, and a row for each that was tried.

    Args:
        name: The pass.
        last: Whether the layout is channels-last.
        batches: A large and a small batch: the first is for all sizes, both are for ``programs``.
        device: Where the maps are.
        network: Its maps, and how many of each.
    """
    rows = []

    def fastest(tiles: list[Tile], *batches: int) -> Tile:
        of_image = dict.fromkeys(tiles, 0.0)
        for batch in batches:
            times = step_seconds(name, last, tiles, batch, device, network)
            for tile, seconds in times.items():
                of_image[tile] += seconds / batch
                where = dict(name=name, layout=layout_name(last), batch=batch)
                rows.append(dict(where, seconds=seconds, **tile._asdict()))
        best = min(of_image, key=lambda tile: of_image[tile])
        return best if of_image[best] < (1 - SPREAD) * of_image[tiles[0]] else tiles[0]

    tile = fastest(changes(name, last), batches[0])
    if name in SUMS and last:  # the other layout has many programs in any case
        tile = fastest([tile, *(tile._replace(programs=n) for n in PROGRAMS)], *batches)
    return tile, rows
