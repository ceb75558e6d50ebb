#!/usr/bin/env python
"""Make docs/images/report.png: train the digits with and without SE, report, photograph the page.

python .dev_scripts/photograph_report.py
python .dev_scripts/photograph_report.py --page work_dirs/ablation/report.html --out page.png \
    --width 400 --dark --whole

Needs Debian's chromium.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import opened_tab, photograph

from senet_mm.cli import reported_errors
from senet_mm.utils.usage import ToolParser

ROOT = Path(__file__).parents[1]
TRAIN = [
    'tools/ablate.py', 'resnet8_1xb64_digits', 'seresnet8_1xb64_digits', '--seeds', '3',
    '--cfg-options', 'train_cfg.max_epochs=8', 'default_hooks.checkpoint.max_keep_ckpts=-1',
    '--work-dir',
]  # fmt: skip


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--page', type=Path, help='photograph this page, and train nothing')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/images/report.png', help='picture')
    parser.add_argument('--width', type=int, default=1280, help='of the window (default: 1280)')
    parser.add_argument('--height', type=int, default=1250, help='of the window (default: 1250)')
    parser.add_argument('--dark', action='store_true', help='as for a reader who prefers dark')
    parser.add_argument('--whole', action='store_true', help='the whole page, not its beginning')
    return parser.parse_args()


def make_page(folder: Path) -> Path:
    """Train in a folder, and make the page on it."""
    work_dir = 'work_dirs/digits'
    for tool, *arguments in ([*TRAIN, work_dir], ['tools/report.py', work_dir]):
        subprocess.run([sys.executable, ROOT / tool, *arguments], cwd=folder, check=True)
    return folder / work_dir / 'report.html'


def show(page: Path, args: argparse.Namespace) -> None:
    """Write the picture of a page."""
    scheme = 'dark' if args.dark else 'light'
    with opened_tab(args.width, args.height, color_scheme=scheme) as tab:
        tab.goto(page.absolute().as_uri())
        photograph(tab, args.out, args.whole)


def main(args: argparse.Namespace) -> None:
    if args.page:
        show(args.page, args)
        return
    with tempfile.TemporaryDirectory(prefix='digits-') as folder:
        show(make_page(Path(folder)), args)


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        main(args)
