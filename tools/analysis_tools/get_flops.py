#!/usr/bin/env python
"""Print parameters and FLOPs of the network of a config.

python tools/analysis_tools/get_flops.py configs/seresnet/seresnet50_8xb32_in1k.py
"""

import argparse
import json
from typing import TYPE_CHECKING

from senet_mm.cli import LOOPS, load_config, make_parser, reported_errors

if TYPE_CHECKING:
    from senet_mm.utils.complexity import Complexity


def parse_args() -> argparse.Namespace:
    parser = make_parser('Print parameters and FLOPs of the network of a config')
    parser.add_argument(
        '--shape',
        type=int,
        nargs='+',
        metavar='SIZE',
        help='SIZE or HEIGHT WIDTH of the image, by default the size of the config',
    )
    parser.add_argument('--json', action='store_true', help='print JSON')
    return parser.parse_args()


def image_shape(channels: int, shape: list[int]) -> tuple[int, int, int]:
    """(C, H, W) of ``--shape``."""
    if len(shape) > 2 or min(shape) < 1:
        raise ValueError(f'--shape {" ".join(map(str, shape))}: allowed: SIZE or HEIGHT WIDTH')
    return (channels, shape[0], shape[-1])


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


def main(args: argparse.Namespace) -> None:
    cfg = load_config(args, unused=LOOPS)

    from senet_mm.engine.classifier import build_classifier
    from senet_mm.utils.complexity import get_complexity

    shape = tuple(cfg.input_shape)
    if args.shape:
        shape = image_shape(shape[0], args.shape)
    complexity = get_complexity(build_classifier(cfg), shape)
    print(json.dumps(complexity.to_dict(), indent=2) if args.json else to_table(complexity))


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
