#!/usr/bin/env python
"""Check and time the Triton kernels of the fused tail, and choose their tile sizes.

python tools/benchmarks/gpu/kernels.py --out kernels.json [--small]

It needs torch and Triton alone. Beside the results it writes ``tiles.json``, to be copied to
``senet_mm/ops/tiles.json``. Without a GPU, the small form runs in Triton's interpreter, and
``--only compile`` compiles every kernel for sm_80 and sm_90.
"""

import itertools
import json
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from unittest import mock

from stage_options import parse_stage_args

if __name__ == '__main__':
    args = parse_stage_args(__doc__)

import parts
import torch
from parts import NotHereError, Rows, run_stage

if '--small' in sys.argv and not torch.cuda.is_available():
    os.environ.setdefault('TRITON_INTERPRET', '1')  # before Triton is imported

from kernel_parts import nodes, speed, truth
from kernel_parts.cases import DTYPES, VARIANTS, make_case
from kernel_parts.shapes import BATCHES, ODD, ODD_BATCHES, TINIEST, TINY, Map, all_maps, maps_of

from senet_mm.ops import kernels, tiles
from senet_mm.ops.fused import kernels_are_interpreted

# Values that 32 bits do not count, of 64x56x56.
LARGE = Map(64, 56, 56, True)


def judge(rows: list[dict]) -> dict:
    """Rows of errors as parts of their bounds; with an ``error`` unless all are within them."""
    wrong = [row for row in rows if not row['part'] <= 1]
    names = ', '.join(f'{row["name"]} {row["part"]:.3g} at {row["at"]}' for row in wrong[:3])
    error = f'{len(wrong)} of {len(rows)} beyond the bound: {names}'
    return dict(rows=rows, **(dict(error=error) if wrong else {}))


def check_values(
    sizes: list[Map],
    batches: Iterable[int],
    dtype: torch.dtype,
    names: Collection[str] = VARIANTS.keys(),
) -> dict:
    """Variants of the passes on every map: the largest error as a part of its bound, and where."""
    found: dict[tuple[str, str], tuple[float, str]] = {}
    for size, batch, last in itertools.product(sizes, batches, (True, False)):
        case = make_case(size, batch, dtype, last, parts.device())
        for name in names:
            key = name, tiles.layout_name(last)
            at = 'x'.join(map(str, (batch, *size[:3])))
            found[key] = max(found.get(key, (-1.0, '')), (truth.worst(name, case), at))
    rows = [dict(name=k[0], layout=k[1], part=v[0], at=v[1]) for k, v in found.items()]
    return judge(rows)


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
    return judge(rows)


def check_nodes(sizes: list[Map], batch: int, small: bool) -> dict:
    """The autograd nodes, and that the passes refuse maps that they cannot read."""
    torch.backends.cuda.matmul.allow_tf32 = False
    result = judge(nodes.check_nodes(sizes, batch, parts.device(), small))
    if accepted := nodes.check_refusals(parts.device()):
        result['error'] = f'strided maps are read as if they were not: {", ".join(accepted)}'
    return result


def compile_ahead(sizes: list[Map]) -> dict:
    """Compile on all cores what the other parts need; without a GPU, for sm_80 and sm_90."""
    # Not in the interpreter's process, which compiles nothing.
    from kernel_parts import ahead

    if torch.cuda.is_available():
        return dict(kernels=ahead.compile_all(sizes), cores=os.cpu_count())
    return {f'sm_{capability}': ahead.compile_for(capability, sizes) for capability in (80, 90)}


def add_tiles(path: Path, capability: str, name: str, chosen: dict[str, dict]) -> None:
    """Write the tiles of a pass to a file; at first, with those of the package."""
    for layout, sizes in chosen.items():  # the package would refuse the file
        tiles.read_tile(f'{path}: {capability}.{name}.{layout}', sizes)
    source = path if path.exists() else tiles.FILE
    written = json.loads(source.read_text())
    written.setdefault(capability, {})[name] = chosen
    path.write_text(json.dumps(written, indent=1) + '\n')
    tiles.measured.cache_clear()


def choose_tiles(
    name: str, path: Path, batches: tuple[int, int], network: Mapping[Map, int]
) -> dict:
    """The best tile of a pass in either layout, written to a file with those that it has already.

    The passes are checked with the new tiles, on the maps of the network in bfloat16.
    """
    best, rows = {}, []
    for last in (True, False):
        best[last], tried = speed.best_tile(name, last, batches, parts.device(), network)
        rows += tried
    with mock.patch.object(kernels, 'tile_for', lambda _, last, device: best[last]):
        keys = [key for key, variant in VARIANTS.items() if variant.function == name]
        result = check_values(list(network), batches[1:], torch.bfloat16, keys)
    if 'error' in result:
        return result
    chosen = {tiles.layout_name(last): tile._asdict() for last, tile in best.items()}
    if torch.cuda.is_available():
        capability = '{}.{}'.format(*torch.cuda.get_device_capability())
        add_tiles(path, capability, name, chosen)
    return dict(rows=rows, **{f'best, {layout}': tile for layout, tile in chosen.items()})


def time_passes(path: Path, sizes: list[Map], batch: int) -> dict:
    """The passes against copies, with the tiles of a file."""
    file = path if path.exists() else tiles.FILE
    with mock.patch.object(tiles, 'FILE', file):
        return dict(rows=speed.time_passes(sizes, batch, parts.device()))


def make_rows(folder: Path, small: bool) -> Rows:
    """The parts of the stage."""
    rows = small_rows(folder) if small else full_rows(folder)
    if torch.cuda.is_available() or kernels_are_interpreted():
        return rows
    return {name: row if name == 'compile' else absent for name, row in rows.items()}


def absent() -> dict:
    """A part that runs kernels."""
    raise NotHereError("needs a GPU, or Triton's interpreter (--small)")


def full_rows(folder: Path) -> dict[str, Callable[[], dict]]:
    """The parts on a GPU: all that is about correctness, then tiles and times."""
    maps, path, (bf16, others) = all_maps(), folder / 'tiles.json', (DTYPES[1], DTYPES[::2])
    network = maps_of('seresnet50')

    def values(dtype: torch.dtype) -> dict[str, Callable[[], dict]]:
        return {
            f'values {str(dtype)[6:]}': partial(check_values, maps, BATCHES, dtype),
            f'odd {str(dtype)[6:]}': partial(check_values, ODD, ODD_BATCHES, dtype),
        }

    some = [Map(256, 14, 14, True), Map(72, 5, 3, True)]
    return {
        'compile': partial(compile_ahead, maps),
        **values(bf16),
        'nodes': partial(check_nodes, some, 8, False),
        **{name: row for dtype in others for name, row in values(dtype).items()},
        'large': partial(check_large, LARGE, 2**31),
        **{f'tiles {n}': partial(choose_tiles, n, path, (256, 32), network) for n in tiles.PASSES},
        **{f'speed {batch}': partial(time_passes, path, maps, batch) for batch in (256, 32)},
    }


def small_rows(folder: Path) -> dict[str, Callable[[], dict]]:
    """The same parts on small maps, for the interpreter, which takes milliseconds per program."""
    for layout, tile in tiles.DEFAULTS.items():
        tiles.DEFAULTS[layout] = tile._replace(programs=8)
    path, network = folder / 'tiles.json', dict.fromkeys(TINIEST, 1)
    return {
        **{f'values {str(d)[6:]}': partial(check_values, TINY, [2], d) for d in DTYPES},
        'nodes': partial(check_nodes, TINY[:1], 2, True),
        'large': partial(check_large, TINY[-1], 4),
        **{f'tiles {n}': partial(choose_tiles, n, path, (2, 1), network) for n in tiles.PASSES},
        'speed 2': partial(time_passes, path, TINY[-1:], 2),
    }


if __name__ == '__main__':
    run_stage(args, partial(make_rows, args.out.parent))
