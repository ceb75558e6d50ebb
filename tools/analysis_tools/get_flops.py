#!/usr/bin/env python
"""Print parameters and FLOPs of the network of a config, or the memory that it needs.

python tools/analysis_tools/get_flops.py configs/seresnet/seresnet50_8xb32_in1k.py
python tools/analysis_tools/get_flops.py configs/seresnet/seresnet50_8xb32_in1k.py \
    --memory --shape 112 --shape 224 --batch-size 1 32
"""

import argparse
import json
from typing import TYPE_CHECKING

from senet_mm.cli import LOOPS, load_config, make_parser, reported_errors

if TYPE_CHECKING:
    from mmengine.config import Config

    from senet_mm.engine.memory_use import MemoryUse
    from senet_mm.utils.complexity import Complexity

# Keys of a config that the memory depends on, and those that it does not although a run reads them.
OPTIMIZER = 'optim_wrapper'
SPEED = {'channels_last', 'compile', 'fuse_tails'}


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument(
        '--shape',
        type=int,
        nargs='+',
        action='append',
        metavar='SIZE',
        help='SIZE or HEIGHT WIDTH of the image, by default the size of the config; more than once '
        'for several',
    )
    parser.add_argument('--json', action='store_true', help='print JSON')
    group = parser.add_argument_group('memory')
    group.add_argument(
        '--memory', action='store_true', help='print memory of inference and training instead'
    )
    group.add_argument(
        '--batch-size',
        type=int,
        nargs='+',
        metavar='N',
        help='batch sizes, by default 1 and that of a GPU in the config',
    )
    group.add_argument('--amp', action='store_true', help='bfloat16 autocast (default: float32)')
    group.add_argument(
        '--measure',
        action='store_true',
        help="also run a step on the CPU, and print what torch's allocator counts",
    )
    return parser.parse_args()


def check(args: argparse.Namespace) -> None:
    """Raise a ValueError for options that need ``--memory``, and for batches without images."""
    for name in ('batch_size', 'amp', 'measure'):
        if getattr(args, name) and not args.memory:
            raise ValueError(f'--{name.replace("_", "-")}: allowed: with --memory')
    if min(args.batch_size or [1]) < 1:
        given = ' '.join(map(str, args.batch_size))
        raise ValueError(f'--batch-size {given}: allowed: whole numbers from 1')


def batch_sizes(cfg: 'Config', given: list[int] | None) -> list[int]:
    """The batch sizes that are given, or 1 and that of the config."""
    own = cfg.get('train_dataloader', {}).get('batch_size')
    return given or sorted({1, own if isinstance(own, int) else 1})


def to_table(complexity: 'Complexity') -> str:
    """The numbers as text, one line per part of the network."""
    rows = [(stage.name, stage.params, stage.macs) for stage in complexity.stages]
    rows.append(('total', complexity.params, complexity.macs))
    lines = [f'{"":16} {"parameters":>12} {"MFLOPs (multiply-adds)":>24}']
    lines += [f'{name:16} {params:12,} {macs / 1e6:24,.1f}' for name, params, macs in rows]
    lines.append(
        f'OpenMMLab counts {complexity.flops_openmmlab / 1e6:,.1f} MFLOPs; '
        f'image {"x".join(map(str, complexity.shape))}'
    )
    return '\n'.join(lines)


def to_mib(size: int) -> str:
    return f'{size / 2**20:,.1f}'


COLUMNS = (
    'image', 'batch', 'GFLOPs', 'last map', 'written', 'inference maps', 'peak', 'kept',
    'training peak',
)  # fmt: skip
NOTES = """\
MiB of 2^20 bytes. written: all maps of a forward pass, none freed. inference maps: images and maps
at the peak of inference. kept: images and maps at the start of the backward pass. Peaks include the
weights, and the copies that oneDNN makes for a convolution on a CPU with AVX-512; another CPU may
take other amounts. Not counted: scratch memory of the backward pass (most in bfloat16), workspaces
of kernels on a GPU, what an allocator holds in reserve."""


def memory_table(memory: 'MemoryUse') -> str:
    """The memory as text: the weights, then one line per size of image and batch."""
    from senet_mm.utils.tables import text_table

    weights = memory.weights
    rows = []
    for batch in memory.batches:
        rows.append(
            [
                'x'.join(map(str, batch.shape)),
                str(batch.batch_size),
                f'{batch.macs / 1e9:,.2f}',
                'x'.join(map(str, batch.last_map)),
                *map(to_mib, (batch.written, batch.inference_maps, batch.inference_peak)),
                *map(to_mib, (batch.kept, batch.training_peak)),
                *map(to_mib, batch.measured or ()),
            ]
        )
    measured = ['measured: inference', 'training'] if memory.batches[0].measured else []
    return '\n'.join(
        [
            f'{memory.precision}; parameters {to_mib(weights.parameters)}, '
            f'buffers {to_mib(weights.buffers)}; in training also '
            f'gradients {to_mib(weights.gradients)}, optimizer {to_mib(weights.optimizer)}',
            text_table([*COLUMNS, *measured], rows),
            NOTES,
        ]
    )


def main(args: argparse.Namespace) -> None:
    check(args)
    unused = (LOOPS - {OPTIMIZER}) | SPEED if args.memory else LOOPS
    cfg = load_config(args, unused=unused)

    from senet_mm.config.image_shape import find_image_shape
    from senet_mm.engine.classifier import build_classifier
    from senet_mm.utils.complexity import get_complexity
    from senet_mm.utils.progress import ProgressBar, track

    shapes = [find_image_shape(cfg, size) for size in args.shape or [None]]
    model = build_classifier(cfg)
    if args.memory:
        from senet_mm.engine.memory_use import compute_memory

        sizes = batch_sizes(cfg, args.batch_size)
        with ProgressBar('counting memory', rated=False):
            memory = compute_memory(model, cfg, shapes, sizes, args.amp, args.measure)
        print(json.dumps(memory.to_dict(), indent=2) if args.json else memory_table(memory))
        return
    found = [get_complexity(model, shape) for shape in track(shapes, 'counting', unit='shapes')]
    if args.json:
        counts = [complexity.to_dict() for complexity in found]
        print(json.dumps(counts if len(counts) > 1 else counts[0], indent=2))
    else:
        print('\n\n'.join(map(to_table, found)))


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
