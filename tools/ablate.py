#!/usr/bin/env python
"""Train configs over seeds and compare them with the first one.

python tools/ablate.py resnet8_1xb64_digits seresnet8_1xb64_digits --seeds 5

Each run has its own process and its own folder, WORK_DIR/CONFIG/seed-K. Repeat the command to
continue: finished runs are kept, an interrupted one is resumed. Configs and seeds may be added. A
config that has changed needs another folder.
"""

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.cli import add_cfg_options, reported_errors

if TYPE_CHECKING:
    from senet_mm.study.ablation import Run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'configs', nargs='+', help='config files or names; the first is the baseline'
    )
    parser.add_argument('--seeds', type=int, required=True, metavar='N', help='seeds 0 to N-1')
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/ablate'), help='folder of all runs'
    )
    parser.add_argument(
        '--confidence',
        type=float,
        default=0.95,
        help='level of the confidence intervals, by default 0.95',
    )
    parser.add_argument(
        '--out', type=Path, nargs='+', default=[], help='files to write: .md, .json, .csv'
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='print state and command of each run; do not train'
    )
    add_cfg_options(parser)
    parser.add_argument('--traceback', action='store_true', help='show the traceback of any error')
    return parser.parse_args()


def train_all(runs: list['Run'], lock: int) -> list[str]:
    """Train what is not finished; a line for every run that failed."""
    failures = []
    for number, run in enumerate(runs, 1):
        title = f'{run.config} seed {run.seed}'
        state = run.get_state()
        print(f'[{number}/{len(runs)}] {title}: {state}', flush=True)
        if state == 'finished':
            continue
        code = run.train(lock)
        if code or run.get_result() is None:
            failures.append(f'{title}: exit code {code}, {run.log}: {run.get_last_words()}')
            print(f'failed: {failures[-1]}', flush=True)
    return failures


def main(args: argparse.Namespace) -> None:
    from senet_mm.study import ablation
    from senet_mm.study.comparison import compare_configs, comparison_to_markdown, get_machines
    from senet_mm.study.statistics import check_confidence
    from senet_mm.utils.tables import check_outputs, csv_table, json_table

    check_outputs(args.out)
    check_confidence(args.confidence)
    configs = ablation.resolve(args.configs, args.cfg_options)
    runs = ablation.plan(configs, args.seeds, args.work_dir)
    if args.dry_run:
        for run in runs:
            print(f'{run.get_state()}: {" ".join(run.get_command())}')
        return
    with ablation.locked_for_children(args.work_dir) as lock:
        ablation.write_configs(configs, args.work_dir)
        failures = train_all(runs, lock)

    results = {name: {} for name in configs}
    for run in runs:
        if result := run.get_result():
            results[run.config][run.seed] = result
    rows = compare_configs(results, args.confidence)
    flat = [row.to_dict() for row in rows]
    table = comparison_to_markdown(rows, args.confidence, get_machines(results))
    print(f'\n{table}', end='')
    texts = {'.md': table, '.json': json_table(flat), '.csv': csv_table(flat)}
    for file in args.out:
        file.write_text(texts[file.suffix])
    if failures:
        sys.exit(f'error: {len(failures)} of {len(runs)} runs failed\n' + '\n'.join(failures))


if __name__ == '__main__':
    args = parse_args()
    # An exception instead of a sudden end: the run at work is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))
    with reported_errors(args.traceback):
        main(args)
