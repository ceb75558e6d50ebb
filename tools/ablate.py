#!/usr/bin/env python
"""Train configs over seeds and compare them with the first one, or as the file of a study says.

python tools/ablate.py resnet8_1xb64_digits seresnet8_1xb64_digits --seeds 5
python tools/ablate.py configs/scenes/study.yml --seeds 5 --jobs 2

Each run has its own process and its own folder, WORK_DIR/CONFIG/seed-K. Repeat the command to
continue: finished runs are kept, an interrupted one is resumed. Configs and seeds may be added. A
config that has changed needs another folder.
"""

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.cli import add_cfg_options, reported_errors
from senet_mm.utils.usage import ToolParser, add_screen_options

if TYPE_CHECKING:
    from senet_mm.study.ablation import Run
    from senet_mm.study.contrasts import Contrast
    from senet_mm.utils.progress import ProgressBar


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument(
        'configs',
        nargs='+',
        help='config files or names, the first is the baseline; or one .yml or .yaml of a study',
    )
    parser.add_argument('--seeds', type=int, required=True, metavar='N', help='seeds 0 to N-1')
    parser.add_argument(
        '--jobs',
        type=int,
        default=1,
        metavar='N',
        help='train N runs side by side, by default 1; threads of a run: env_cfg.num_threads',
    )
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
    add_screen_options(parser)
    return parser.parse_args()


def announce_unfinished(runs: list['Run'], bar: 'ProgressBar') -> Iterator['Run']:
    """Print the state of every run, before it is trained; returns those to train."""
    for number, run in enumerate(runs, 1):
        state = run.get_state()
        print(f'[{number}/{len(runs)}] {run}: {state}', flush=True)
        if state == 'finished':
            bar.advance()
        else:
            yield run


def train_all(runs: list['Run'], jobs: int, lock: int) -> list[str]:
    """Train what is not finished; a line for every run that failed."""
    from senet_mm.study.ablation import train_side_by_side
    from senet_mm.utils.progress import ProgressBar

    failures = []
    with (
        ProgressBar('ablation', len(runs), 'runs', rated=False) as bar,
        contextlib.closing(train_side_by_side(announce_unfinished(runs, bar), jobs, lock)) as ended,
    ):
        for run, code in ended:
            bar.advance()
            if code or run.get_result() is None:
                failures.append(f'{run}: exit code {code}, {run.log}: {run.get_last_words()}')
                print(f'failed: {failures[-1]}', flush=True)
    return failures


def tell_results(args: argparse.Namespace, runs: list['Run'], contrasts: list['Contrast']) -> None:
    """Print the table, and write it into files."""
    from senet_mm.study.comparison import compare_configs, comparison_to_markdown, get_machines
    from senet_mm.study.contrasts import compare_pairs, keep_score
    from senet_mm.study.study_page import study_summary, study_tables
    from senet_mm.utils.tables import csv_table, json_table

    finished = [(run, result) for run in runs if (result := run.get_result())]
    if contrasts:
        scores = [keep_score(run.config, result) for run, result in finished]
        findings = compare_pairs(contrasts, scores, args.confidence)
        flat = [finding.to_dict() for finding in findings]
        table = f'{study_tables(findings)}\n{study_summary(findings, scores)}'
    else:
        results: dict[str, dict] = {run.config: {} for run in runs}
        for run, result in finished:
            results[run.config][run.seed] = result
        rows = compare_configs(results, args.confidence)
        flat = [row.to_dict() for row in rows]
        table = comparison_to_markdown(rows, args.confidence, get_machines(results))
    print(f'\n{table}', end='')
    texts = {'.md': table, '.json': json_table(flat), '.csv': csv_table(flat)}
    for file in args.out:
        file.write_text(texts[file.suffix])


def main(args: argparse.Namespace) -> None:
    from senet_mm.study import ablation
    from senet_mm.study.contrasts import configs_of
    from senet_mm.study.data_check import check_data
    from senet_mm.study.statistics import check_confidence
    from senet_mm.study.study_file import find_study, load_contrasts
    from senet_mm.utils.options import check_integer
    from senet_mm.utils.tables import check_outputs

    check_outputs(args.out)
    check_confidence(args.confidence)
    check_integer('--jobs', args.jobs)
    study = find_study(args.configs)
    contrasts = load_contrasts(study) if study else []
    names = configs_of(contrasts) if study else args.configs
    configs = ablation.resolve(names, args.cfg_options)
    runs = ablation.plan(configs, args.seeds, args.work_dir)
    if args.dry_run:
        for run in runs:
            print(f'{run.get_state()}: {" ".join(run.get_command())}')
        return
    unfinished = {run.config for run in runs if run.get_state() != 'finished'}
    check_data({name: cfg for name, cfg in configs.items() if name in unfinished})
    with ablation.locked_for_children(args.work_dir) as lock:
        ablation.write_configs(configs, args.work_dir)
        failures = train_all(runs, args.jobs, lock)
    tell_results(args, runs, contrasts)
    if failures:
        sys.exit(f'error: {len(failures)} of {len(runs)} runs failed\n' + '\n'.join(failures))


if __name__ == '__main__':
    args = parse_args()
    # An exception instead of a sudden end: the run at work is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))
    with reported_errors(args.traceback):
        main(args)
