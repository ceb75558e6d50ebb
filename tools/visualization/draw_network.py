#!/usr/bin/env python
"""Draw the structure of the network of a config, as SVG, PNG or PDF.

python tools/visualization/draw_network.py configs/seresnet/seresnet50_8xb32_in1k.py --out net.svg

Stages with shapes, parameters and multiply-adds; below them one block of each kind, and the layer
that recalibrates.
"""

import argparse
from pathlib import Path

from senet_mm.cli import LOOPS, load_config, make_parser, reported_errors


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument(
        '--out',
        type=Path,
        help='.svg, .png or .pdf to write (default: network.svg in the work directory)',
    )
    parser.add_argument(
        '--shape',
        type=int,
        nargs='+',
        metavar='SIZE',
        help='SIZE or HEIGHT WIDTH of the image (default: the size of the config)',
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    from senet_mm.utils.figures import check_picture, save_figure

    if args.out:
        check_picture(args.out)
    cfg = load_config(args, unused=LOOPS)

    from senet_mm.analysis.structure import draw_structure, get_structure
    from senet_mm.config.image_shape import find_image_shape
    from senet_mm.engine.classifier import build_classifier

    structure = get_structure(build_classifier(cfg), find_image_shape(cfg, args.shape))
    out = args.out or Path(cfg.work_dir, 'network.svg')
    out.parent.mkdir(parents=True, exist_ok=True)
    save_figure(draw_structure(structure, Path(args.config).stem), out)
    print(f'{out}: {len(structure.stages)} stages, {len(structure.kinds)} kinds of blocks')


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
