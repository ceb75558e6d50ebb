#!/usr/bin/env python
"""Draw the hits and misses of a test: mmpretrain's analyze_results for our data sets.

python tools/test.py CONFIG CHECKPOINT --out predictions.pkl
python tools/analysis_tools/analyze_results.py CONFIG predictions.pkl --out-dir results

Writes success/ (the least sure hits) and fail/ (the surest misses) as PNG, and success.json and
fail.json, into the folder of --out-dir.
"""

import argparse
from pathlib import Path

from senet_mm.cli import load_config, make_parser, reported_errors
from senet_mm.utils.files import check_folder


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('result', type=Path, help='.pkl that tools/test.py --out has written')
    parser.add_argument('--out-dir', type=Path, required=True, help='folder for the pictures')
    parser.add_argument('--topk', type=int, default=20, help='most pictures of each kind')
    parser.add_argument('--rescale-factor', '-r', type=float, help='scale the pictures by it')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    from senet_mm.utils.options import check_integer

    check_integer('--topk', args.topk)
    factor = args.rescale_factor
    if factor is not None and not 0 < factor <= 100:
        raise ValueError(f'--rescale-factor {factor}; allowed: above 0, up to 100')
    check_folder(args.out_dir, '--out-dir')
    cfg = load_config(args)

    from mmengine.registry import init_default_scope

    from senet_mm.analysis.result_pictures import draw_results, read_predictions

    init_default_scope('senet_mm')
    draw_results(cfg, read_predictions(args.result), args.out_dir, args.topk, factor)
    print(f'{args.out_dir}: success/, fail/, success.json, fail.json')


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
