#!/usr/bin/env python
"""Print a table of published results with the cost of each config and the scores of checkpoints.

python tools/reproduce.py released
python tools/reproduce.py table2 --data-root data/imagenet --checkpoints checkpoints --out table2.md
"""

import argparse
from pathlib import Path

from senet_mm.cli import TRAINING, add_cfg_options, note_unused, reported_errors
from senet_mm.utils.usage import ToolParser, add_screen_options


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('table', help='a table of configs/results.yml: released, table2, ...')
    parser.add_argument('--data-root', help='folder of the data set')
    parser.add_argument(
        '--checkpoints', type=Path, help='folder with CONFIG.pth or CONFIG_DATE-HASH8.pth'
    )
    parser.add_argument('--work-dir', default='work_dirs/reproduce', help='folder for logs')
    parser.add_argument(
        '--out', type=Path, nargs='+', default=[], help='files to write: .md, .json, .csv'
    )
    add_cfg_options(parser)
    add_screen_options(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    from senet_mm.study import results as api
    from senet_mm.utils.progress import track
    from senet_mm.utils.tables import check_outputs

    formats = {
        '.md': api.results_to_markdown,
        '.json': api.results_to_json,
        '.csv': api.results_to_csv,
    }
    check_outputs(args.out)
    if (args.data_root is None) != (args.checkpoints is None):
        raise ValueError('--data-root and --checkpoints belong together; allowed: both or none')
    if args.cfg_options and not args.checkpoints:
        raise ValueError('--cfg-options: allowed with --checkpoints, whose scores they change')
    if args.checkpoints and not args.checkpoints.is_dir():
        raise FileNotFoundError(f'--checkpoints {args.checkpoints} is not a folder')

    note_unused(args.cfg_options, TRAINING)
    results = api.get_results(args.table)
    if args.checkpoints and results[0].metric not in api.MEASURED:
        raise ValueError(
            f'{args.table} has {results[0].metric} of detectors, which is not measured here; '
            f'allowed: tables of {", ".join(api.MEASURED)}'
        )
    measured = [result for result in results if args.checkpoints and result.config]
    for result in track(measured, 'reproduction', unit='networks'):
        if checkpoint := api.find_checkpoint(args.checkpoints, result.config):
            work_dir = f'{args.work_dir}/{result.config}'
            api.measure(result, checkpoint, args.data_root, work_dir, args.cfg_options)
    for file in args.out:
        file.write_text(formats[file.suffix](results))
    print(api.results_to_markdown(results), end='')


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
