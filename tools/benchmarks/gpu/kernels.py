#!/usr/bin/env python
"""Check and time the Triton kernels of the fused tail, and choose their tile sizes.

python tools/benchmarks/gpu/kernels.py --out kernels.json [--small]

It needs torch and Triton alone. Beside the results it writes ``tiles.json``, to be copied to
``senet_mm/ops/tiles.json``. Without a GPU, the small form runs in Triton's interpreter
(``TRITON_INTERPRET=1``).
"""

import itertools
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from unittest import mock

import parts
import torch
from parts import NotHereError, Rows, parse_args, run_stage

if '--small' in sys.argv and not torch.cuda.is_available():
    os.environ['TRITON_INTERPRET'] = '1'  # before Triton is imported

from kernel_parts import nodes, speed, truth
from kernel_parts.cases import DTYPES, VARIANTS, make_case
from kernel_parts.shapes import ODD, TINIEST, TINY, Map, all_maps, maps_of

from senet_mm.ops import kernels, tiles

DESCRIPTION = __doc__.splitlines()[0]
BATCHES = (1, 32, 256)
ODD_BATCHES = (1, 5)
# Values that 32 bits do not count, of 64x56x56.
LARGE = Map(64, 56, 56, True)


class WrongError(Exception):
    """A kernel is wrong."""


def refuse_wrong(rows: list[dict]) -> None:
    """Raise unless all errors are within their bounds."""
    wrong = [row for row in rows if not row['part'] <= 1]
    if wrong:
        print(json.dumps(wrong))
        names = ', '.join(f'{row["name"]} {row["part"]:.3g} at {row["at"]}' for row in wrong[:3])
        raise WrongError(f'{len(wrong)} of {len(rows)} beyond the bound: {names}')


def check_values(sizes: list[Map], batches: Iterable[int], dtype: torch.dtype) -> dict:
    """Every pass on every map: the largest error as a part of its bound, and where."""
    found: dict[tuple[str, str], tuple[float, str]] = {}
    for size, batch, last in itertools.product(sizes, batches, (True, False)):
        case = make_case(size, batch, dtype, last, parts.device())
        for name in VARIANTS:
            key = name, tiles.layout_name(last)
            at = 'x'.join(map(str, (batch, *size[:3])))
            found[key] = max(found.get(key, (-1.0, '')), (truth.worst(name, case), at))
    rows = [dict(name=k[0], layout=k[1], part=v[0], at=v[1]) for k, v in found.items()]
    refuse_wrong(rows)
    return dict(rows=rows, dtype=str(dtype)[6:], maps=len(sizes), batches=list(batches))


def check_large(size: Map, values: int) -> dict:
    """Maps of more values than 32 bits count: some samples against float64."""
    batch = values // (size.channels * size.height * size.width) + 2
    needed = 5 * 2 * batch * size.channels * size.height * size.width
    if torch.cuda.is_available() and torch.cuda.mem_get_info()[0] < needed:
        raise NotHereError(f'needs {needed / 2**30:.0f} GiB of memory')
    rows = []
    for last in (True, False):
        case = make_case(size, batch, torch.bfloat16, last, parts.device(), share=True)
        picked = torch.tensor([0, batch // 2, batch - 1], device=parts.device())
        for name in VARIANTS:
            part = truth.worst(name, case, picked)
            at = f'{batch} samples'
            rows.append(dict(name=name, layout=tiles.layout_name(last), part=part, at=at))
        del case
    refuse_wrong(rows)
    return dict(rows=rows, values=values)


def check_nodes(sizes: list[Map], batch: int, small: bool) -> dict:
    """The autograd nodes, and that the passes refuse maps that they cannot read."""
    torch.backends.cuda.matmul.allow_tf32 = False
    if accepted := nodes.check_refusals(parts.device()):
        raise WrongError(f'strided maps are read as if they were not: {", ".join(accepted)}')
    rows = nodes.check_nodes(sizes, batch, parts.device(), small)
    refuse_wrong(rows)
    return dict(rows=rows)


def compile_ahead(sizes: list[Map]) -> dict:
    """Compile on all cores what the other parts need; without a GPU, for sm_80 and sm_90.

    Channels-last, where the sizes of all networks allow it, kernels must take 16 bytes at a time.
    """
    from kernel_parts import compiling

    if not torch.cuda.is_available():
        return {f'sm_{at}': _compile_for_absent(at, sizes) for at in (80, 90)}
    calls = [*_calls(sizes, True), *_calls(sizes, False), *_odd_calls()]
    return dict(kernels=len(compiling.warm_up(calls)), cores=os.cpu_count())


def _compile_for_absent(capability: int, sizes: list[Map]) -> int:
    """Compile the kernels for a GPU that is not there; returns their number."""
    from kernel_parts import compiling

    with compiling.absent_gpu(capability):
        wide = compiling.warm_up(_calls(sizes, True))
        if names := compiling.narrow(wide):
            raise WrongError(f'{len(names)} kernels take less than 16 bytes: {set(names)}')
        return len(wide) + len(compiling.warm_up([*_calls(sizes, False), *_odd_calls()]))


def _in_force(name: str, last: bool, device: torch.device) -> tiles.Tile:
    """The tile that a pass takes on this machine's GPU, for a tensor without memory."""
    return tiles.tile_for(name, last, torch.device(parts.device()))


def _calls(sizes: list[Map], last: bool) -> list:
    """What the networks need in a layout: with the tiles in force, and with those to try."""
    from kernel_parts.compiling import Calls

    calls = [Calls(list(VARIANTS), sizes, BATCHES, DTYPES, [last], _in_force)]
    for name in tiles.PASSES:
        names = [key for key, variant in VARIANTS.items() if variant.function == name]
        for tile in speed.changes(name, last):
            chosen = partial(lambda tile, *_: tile, tile)
            calls.append(Calls(names, sizes, BATCHES[-1:], DTYPES[1:2], [last], chosen))
    return calls


def _odd_calls() -> list:
    """What the odd sizes need."""
    from kernel_parts.compiling import Calls

    return [Calls(list(VARIANTS), ODD, ODD_BATCHES, DTYPES, [True, False], _in_force)]


def check_chosen(best: dict[tuple[str, bool], tiles.Tile], sizes: list[Map], batch: int) -> None:
    """The passes with their new tiles on maps in bfloat16, against float64."""
    with mock.patch.object(kernels, 'tile_for', lambda name, last, _: best[name, last]):
        check_values(sizes, [batch], torch.bfloat16)


def choose_tiles(folder: Path, batches: tuple[int, int], network: Mapping[Map, int]) -> dict:
    """The best tile of every pass and layout, written to ``tiles.json`` with those of others."""
    best, rows = {}, []
    for name, last in itertools.product(tiles.PASSES, (True, False)):
        best[name, last], tried = speed.best_tile(name, last, batches, parts.device(), network)
        rows += tried
    check_chosen(best, list(network), batches[1])
    chosen: dict[str, dict] = {}
    for (name, last), tile in best.items():
        chosen.setdefault(name, {})[tiles.layout_name(last)] = tile._asdict()
    written = json.loads(tiles.FILE.read_text())
    if torch.cuda.is_available():
        written['{}.{}'.format(*torch.cuda.get_device_capability())] = chosen
    path = folder / 'tiles.json'
    path.write_text(json.dumps(written, indent=1) + '\n')
    tiles.measured(path)  # refuses what the package would refuse
    return dict(rows=rows, tiles=chosen)


def make_rows(folder: Path, small: bool) -> Rows:
    """The parts of the stage."""
    maps = TINY if small else all_maps()
    if small:  # a program takes the interpreter milliseconds
        for layout, tile in tiles.DEFAULTS.items():
            tiles.DEFAULTS[layout] = tile._replace(programs=8)
    rows: dict[str, Callable[[], dict]] = {}
    if not small:
        rows['compile'] = partial(compile_ahead, maps)
    for dtype in DTYPES:
        batches = (2,) if small else BATCHES
        rows[f'values {str(dtype)[6:]}'] = partial(check_values, maps, batches, dtype)
    if not small:
        for dtype in DTYPES:
            rows[f'odd {str(dtype)[6:]}'] = partial(check_values, ODD, ODD_BATCHES, dtype)
    some = TINY[:1] if small else [Map(256, 14, 14, True), Map(72, 5, 3, True)]
    rows['nodes'] = partial(check_nodes, some, 2 if small else 8, small)
    large = (TINY[-1], 4) if small else (LARGE, 2**31)
    rows['large'] = partial(check_large, *large)
    for batch in (2,) if small else reversed(BATCHES):
        rows[f'speed {batch}'] = partial(time_passes, TINY[-1:] if small else maps, batch)
    network = dict.fromkeys(TINIEST, 1) if small else maps_of('seresnet50')
    rows['tiles'] = partial(choose_tiles, folder, (2, 1) if small else (256, 32), network)
    return rows


def time_passes(sizes: list[Map], batch: int) -> dict:
    """The passes against copies."""
    return dict(rows=speed.time_passes(sizes, batch, parts.device()))


if __name__ == '__main__':
    out = parse_args(DESCRIPTION).out
    run_stage(DESCRIPTION, partial(make_rows, out.parent))
