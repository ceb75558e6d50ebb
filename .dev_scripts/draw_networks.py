#!/usr/bin/env python
"""Draw the pictures of docs/networks again; each has the name of a config.

python .dev_scripts/draw_networks.py          # write them
python .dev_scripts/draw_networks.py --check  # fail if one is out of date

To add one: ``python tools/visualization/draw_network.py CONFIG --out docs/networks/CONFIG.svg``;
``python .dev_scripts/update_docs.py`` then puts it on the page of the config's folder.
"""

import argparse
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.cli import reported_errors
from senet_mm.utils.usage import ToolParser

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]
PICTURES = sorted((ROOT / 'docs/networks').glob('*.svg'))


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing, fail on a difference')
    return parser.parse_args()


def draw(path: Path) -> 'Figure':
    """The picture of the config of that name."""
    import torch

    from senet_mm.analysis.structure import draw_structure, get_structure
    from senet_mm.apis import get_config
    from senet_mm.engine.classifier import build_classifier

    cfg = get_config(path.stem)
    with torch.device('meta'):
        model = build_classifier(cfg)
    return draw_structure(get_structure(model, tuple(cfg.input_shape)), path.stem)


def is_current(path: Path) -> bool:
    """Whether a file has the texts of the picture; its lines depend on matplotlib's version."""
    from matplotlib.text import Text

    drawn = [text.get_text() for text in draw(path).findobj(Text)]
    written = [node.text or '' for node in ET.parse(path).iter('{http://www.w3.org/2000/svg}text')]
    return sorted(filter(None, drawn)) == sorted(written)


def main(args: argparse.Namespace) -> None:
    from senet_mm.utils.figures import save_figure

    for path in PICTURES:
        if not args.check:
            save_figure(draw(path), path)
        elif not is_current(path):
            name = path.relative_to(ROOT)
            raise ValueError(f'{name} is out of date; run python .dev_scripts/draw_networks.py')


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        main(args)
