#!/usr/bin/env python
"""Train on digits of which 5 to 9 are 5 %, plainly and with what favours rare classes; compare.

python tools/benchmarks/imbalance.py --seeds 5

The test set is even. Runs go on where they were ended, see tools/ablate.py, which trains them.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from senet_mm.cli import reported_errors
from senet_mm.utils.project import PROJECT
from senet_mm.utils.usage import ToolParser, check_leasts

RECIPE = 'seresnet8_1xb64_digits'
# 570 and 30 training images of 1,257.
OPTIONS = {
    'train_dataloader.dataset.counts': [114] * 5 + [6] * 5,
    'val_evaluator': [dict(type='Accuracy'), dict(type='CrossEntropy'), dict(type='ClassReport')],
}
VARIANTS = {
    'plain': {},
    'balanced': {'model.head.class_weight': 'balanced'},
    'effective': {'model.head.class_weight': 'effective'},
    'sampled': {'train_dataloader.sampler.type': 'BalancedSampler'},
}


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--seeds', type=int, default=5, metavar='N', help='seeds 0 to N-1')
    parser.add_argument('--epochs', type=int, default=30, help='epochs of each run')
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/imbalance'), help='folder of all runs'
    )
    parser.add_argument('--traceback', action='store_true', help='show the traceback of any error')
    return parser.parse_args()


def write_variants(folder: Path, epochs: int) -> list[Path]:
    """Write the config of every variant; returns the files."""
    from senet_mm.apis import get_config

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, options in VARIANTS.items():
        cfg = get_config(RECIPE, {**OPTIONS, **options, 'train_cfg.max_epochs': epochs})
        files.append(folder / f'{name}.py')
        files[-1].write_text(cfg.pretty_text)
    return files


def main(args: argparse.Namespace) -> None:
    check_leasts(args, dict(seeds=1, epochs=1))
    files = write_variants(args.work_dir / 'configs', args.epochs)
    command = [sys.executable, PROJECT / 'tools/ablate.py', *files, '--seeds', args.seeds]
    run = subprocess.run([*map(str, command), '--work-dir', str(args.work_dir / 'runs')])
    sys.exit(run.returncode)


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
