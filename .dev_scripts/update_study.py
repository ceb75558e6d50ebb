#!/usr/bin/env python
"""Make docs/study.md and its plot from the runs of configs/scenes/study.yml.

python .dev_scripts/update_study.py                      # from docs/study.json
python .dev_scripts/update_study.py work_dirs/study      # from runs of tools/ablate.py, kept there
python .dev_scripts/update_study.py --check              # fail if the page is out of date
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.cli import reported_errors
from senet_mm.utils.usage import ToolParser

if TYPE_CHECKING:
    from senet_mm.study.contrasts import SeedScore

ROOT = Path(__file__).parents[1]
STUDY = ROOT / 'configs/scenes/study.yml'
PAGE = ROOT / 'docs/study.md'
SCORES = ROOT / 'docs/study.json'
PLOT = ROOT / 'docs/study.svg'


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('work_dir', type=Path, nargs='?', help='--work-dir of tools/ablate.py')
    parser.add_argument('--check', action='store_true', help='write nothing, fail on a difference')
    return parser.parse_args()


def collect(work_dir: Path, configs: list[str]) -> list['SeedScore']:
    """The finished runs of a folder, seed by seed."""
    from senet_mm.study.contrasts import keep_score

    scores = [
        keep_score(config, json.loads(file.read_text()))
        for config in configs
        for file in work_dir.glob(f'{config}/seed-*/result.json')
    ]
    if not scores:
        raise ValueError(f'{work_dir} has no finished run of {STUDY.relative_to(ROOT)}')
    return sorted(scores, key=lambda score: (score.seed, configs.index(score.config)))


def write_scores(scores: list['SeedScore']) -> None:
    """One line a run."""
    lines = ',\n'.join(json.dumps(asdict(score)) for score in scores)
    SCORES.write_text(f'[\n{lines}\n]\n')


def main(args: argparse.Namespace) -> None:
    from senet_mm.study.contrasts import SeedScore, compare_pairs, configs_of
    from senet_mm.study.study_file import load_contrasts
    from senet_mm.study.study_page import draw_study, study_summary, study_tables
    from senet_mm.utils.figures import save_figure
    from senet_mm.utils.tables import fill_in

    contrasts = load_contrasts(STUDY)
    if args.work_dir:
        write_scores(collect(args.work_dir, configs_of(contrasts)))
    scores = [SeedScore(**score) for score in json.loads(SCORES.read_text())]
    findings = compare_pairs(contrasts, scores)
    page = fill_in(PAGE.read_text(), 'summary', study_summary(findings, scores))
    page = fill_in(page, 'tables', study_tables(findings))
    if args.check:
        if page != PAGE.read_text():
            raise ValueError('docs/study.md is out of date; run .dev_scripts/update_study.py')
        return
    PAGE.write_text(page)
    save_figure(draw_study(findings), PLOT)


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        main(args)
