#!/usr/bin/env python
"""Write one HTML page on one or several runs: curves, scores, classes, gates, how to repeat them.

python tools/report.py work_dirs/seresnet8_1xb64_digits
"""

import argparse
from pathlib import Path

from senet_mm.cli import reported_errors
from senet_mm.study.places import add_data_root
from senet_mm.utils.usage import ToolParser, add_screen_options


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument(
        'work_dirs',
        nargs='+',
        metavar='WORK_DIR',
        help='folder of a run, or of several, as that of ablate.py',
    )
    parser.add_argument(
        '--out', type=Path, metavar='FILE', help='the page (default: report.html in WORK_DIR)'
    )
    parser.add_argument(
        '--no-evaluate',
        action='store_true',
        help='do not run checkpoints: no classes, no pictures, no gates',
    )
    parser.add_argument(
        '--charts',
        choices=['auto', 'plotly', 'svg'],
        default='auto',
        help='what draws the curves (default: plotly if it is installed, else svg)',
    )
    add_data_root(parser)
    add_screen_options(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    out = args.out or Path(args.work_dirs[0], 'report.html')
    from senet_mm.study.report import report_runs

    report_runs(args.work_dirs, out, not args.no_evaluate, args.charts, args.data_root)
    print(out)


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
