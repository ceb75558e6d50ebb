#!/usr/bin/env python
"""Write a data set of real images without a download: crops of 21 photographs.

python tools/dataset_tools/make_scenes.py data/scenes

Each photograph is a class, cut into tiles. Every fifth tile is for testing, so that no pixel is
in images of both kinds. An image is a grey crop of 24x24 with a random place, size, rotation,
mirroring, contrast and brightness. The same arguments give the same images. The configs of
configs/scenes train on them.

The photographs come with scikit-image, scikit-learn and matplotlib; docs/data.md has their
licences.
"""

import argparse
import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from senet_mm.cli import reported_errors
from senet_mm.utils.files import check_empty
from senet_mm.utils.options import check_integer
from senet_mm.utils.progress import track
from senet_mm.utils.usage import ToolParser, add_screen_options

if TYPE_CHECKING:
    from PIL.Image import Image

# Tiles are shrunk as if the photograph had this shorter side.
SHORT_SIDE = 512
# Crops of these sides become images. A tile has at least the side that holds them at every angle.
SIDES = (32, 46)
TILE = 64
SIDE = 24
ANGLE = 20
CONTRAST = 1.25
BRIGHTNESS = 12
# A crop with a smaller standard deviation, in grey levels, shows nothing: sky, night, paper.
LEAST_DEVIATION = 6


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('out', type=Path, help='folder to write, must not exist or be empty')
    parser.add_argument('--train', type=int, default=2000, help='training images per class')
    parser.add_argument('--test', type=int, default=200, help='test images per class')
    parser.add_argument('--seed', type=int, default=0, help='seed of the crops')
    add_screen_options(parser)
    return parser.parse_args()


def load_photograph(name: str) -> 'Image':
    """A photograph of a library, grey."""
    from PIL import Image

    if name in ('china', 'flower'):
        from sklearn.datasets import load_sample_image

        image = Image.fromarray(load_sample_image(f'{name}.jpg'))
    elif name == 'grace_hopper':
        from matplotlib.cbook import get_sample_data

        image = Image.open(get_sample_data('grace_hopper.jpg'))
    else:
        from skimage import data

        pixels = data.stereo_motorcycle()[0] if name == 'motorcycle' else getattr(data, name)()
        image = Image.fromarray(pixels)
    return image.convert('L')


def cut_photograph(photograph: 'Image') -> dict[str, list['Image']]:
    """The tiles for training, and those for testing: every fifth, spread over the photograph."""
    scale = min(1, SHORT_SIDE / min(photograph.size))
    columns, rows = (int(length * scale) // TILE for length in photograph.size)
    width, height = photograph.width / columns, photograph.height / rows
    tiles: dict[str, list[Image]] = {'train': [], 'test': []}
    for row, column in itertools.product(range(rows), range(columns)):
        corners = (column * width, row * height, (column + 1) * width, (row + 1) * height)
        tile = photograph.crop([round(corner) for corner in corners])
        split = 'train' if (column + 2 * row) % 5 else 'test'
        tiles[split].append(shrink(tile, scale))
    return tiles


def shrink(image: 'Image', scale: float) -> 'Image':
    """An image with its sides multiplied by at most 1."""
    from PIL import Image

    size = [round(side * scale) for side in image.size]
    return image.resize(size, Image.Resampling.BILINEAR)


def draw_crop(tile: 'Image', rng: np.random.Generator) -> np.ndarray:
    """A random crop of a tile, turned about its centre and resized with antialiasing, (24, 24)."""
    from PIL import Image

    side = int(rng.integers(*SIDES, endpoint=True))
    angle = int(rng.integers(-ANGLE, ANGLE, endpoint=True))
    # The square that holds the crop at every angle.
    outer = math.ceil(side * (math.sin(math.radians(ANGLE)) + math.cos(math.radians(ANGLE)))) + 2
    left, top = (int(rng.integers(length - outer + 1)) for length in tile.size)
    square = tile.crop((left, top, left + outer, top + outer))
    square = square.rotate(angle, Image.Resampling.BILINEAR)
    start = (outer - side) / 2
    box = (start, start, start + side, start + side)
    return np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box))


def draw_image(tiles: list['Image'], rng: np.random.Generator) -> np.ndarray:
    """A random crop that shows something, mirrored, with contrast and brightness changed."""
    while (crop := draw_crop(tiles[rng.integers(len(tiles))], rng)).std() < LEAST_DEVIATION:
        pass
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    contrast = CONTRAST ** rng.uniform(-1, 1)
    brightness = rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    levels = (crop - 127.5) * contrast + 127.5 + brightness
    return np.rint(levels).clip(0, 255).astype(np.uint8)


def main(args: argparse.Namespace) -> None:
    from senet_mm.datasets.scenes import SCENES, write_scenes

    check_empty(args.out)
    check_integer('--seed', args.seed, 0)
    counts = {'train': args.train, 'test': args.test}
    if min(counts.values()) < 1:
        raise ValueError(f'--train {args.train} --test {args.test}: allowed: 1 and more')
    images: dict[str, list[np.ndarray]] = {split: [] for split in counts}
    for label, name in enumerate(track(SCENES, 'drawing', unit='classes')):
        for split, tiles in cut_photograph(load_photograph(name)).items():
            rng = np.random.default_rng([args.seed, label, split == 'test'])
            images[split] += [draw_image(tiles, rng) for _ in range(counts[split])]
    args.out.mkdir(parents=True, exist_ok=True)
    for split, crops in images.items():
        labels = np.repeat(np.arange(len(SCENES), dtype=np.uint8), counts[split])
        write_scenes(args.out, split, np.stack(crops), labels)
    print(
        f'{args.out}: {len(SCENES)} classes, {args.train} training and {args.test} test images each'
    )


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
