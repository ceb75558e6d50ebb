#!/usr/bin/env python
"""Make docs/images/demo.png: train on the sample of photographs, open the demo, photograph it.

python .dev_scripts/photograph_demo.py
python .dev_scripts/photograph_demo.py --checkpoint work_dirs/a.pth --examples data/pictures \
    --width 400 --out page.png

Needs Debian's chromium.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import opened_tab, photograph

from senet_mm.cli import reported_errors
from senet_mm.utils.usage import ToolParser

ROOT = Path(__file__).parents[1]
EPOCHS = 40
SHOWN = 'Katze/Bild 1.JPG'


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--checkpoint', type=Path, help='show this network, and train nothing')
    parser.add_argument('--examples', type=Path, help='its pictures; the first one is shown')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/images/demo.png', help='picture')
    parser.add_argument('--width', type=int, default=1280, help='of the window, pixels')
    parser.add_argument('--height', type=int, default=900, help='of the window, pixels')
    return parser.parse_args()


def train(folder: Path) -> tuple[Path, Path]:
    """A checkpoint of three classes, and its pictures."""
    pictures, run = folder / 'pictures', folder / 'run'
    commands = [
        ['tools/dataset_tools/make_sample.py', str(pictures), '--untidy'],
        ['tools/train.py', 'seresnet18_1xb32_folder', '--work-dir', str(run), '--cfg-options',
         f'data_root={pictures}', f'train_cfg.max_epochs={EPOCHS}', 'randomness.seed=0'],
    ]  # fmt: skip
    for command in commands:
        subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
    return next(run.glob('best_*.pth')), pictures


def show(checkpoint: Path, pictures: Path, image: Path, args: argparse.Namespace) -> None:
    """Start the demo, drop a picture, open a stage, and write what is seen."""
    command = [
        sys.executable, 'tools/demo.py', str(checkpoint), '--examples', str(pictures),
        '--data-root', str(pictures),
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            found = (re.search(r'http://\S+', line) for line in demo.stdout)
            address = next(match for match in found if match)[0]
            with opened_tab(args.width, args.height) as tab:
                tab.goto(address)
                tab.wait_for_selector('#picture input[type=file]', state='attached')
                tab.set_input_files('#picture input[type=file]', image)
                tab.wait_for_selector('#gates svg')
                tab.get_by_label('SE_3', exact=True).check()
                tab.wait_for_selector('#opened table')
                tab.wait_for_timeout(2000)  # all is drawn
                photograph(tab, args.out, whole=True)
        finally:
            demo.terminate()


def main(args: argparse.Namespace) -> None:
    if args.checkpoint:
        from senet_mm.datasets.image_paths import find_images

        show(args.checkpoint, args.examples, Path(find_images([args.examples])[0]), args)
        return
    with tempfile.TemporaryDirectory(prefix='demo-') as folder:
        checkpoint, pictures = train(Path(folder))
        show(checkpoint, pictures, pictures / SHOWN, args)


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        main(args)
