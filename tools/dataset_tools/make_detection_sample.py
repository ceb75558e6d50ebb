#!/usr/bin/env python
"""Write a small detection data set in COCO's format: shapes pasted into real photographs.

python tools/dataset_tools/make_detection_sample.py data/detection-sample

The photographs come with scikit-image and scikit-learn; nothing is downloaded. Each image is a
random crop of a photograph with one to four discs, squares and triangles, which are cut from
another photograph and tinted. Boxes and masks are exact. Training and validation images come from
different photographs. A correct detector finds nearly all shapes; its score does not predict a
score on COCO.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from senet_mm.cli import reported_errors
from senet_mm.utils.files import check_empty
from senet_mm.utils.options import check_integer
from senet_mm.utils.progress import track
from senet_mm.utils.usage import ToolParser, add_screen_options

PHOTOGRAPHS = {
    'train': ('astronaut', 'chelsea', 'rocket', 'retina', 'flower.jpg'),
    'val': ('coffee', 'immunohistochemistry', 'china.jpg'),
}
CLASSES = ('disc', 'square', 'triangle')


class Shape(NamedTuple):
    """A pasted shape: its class, and its corners (K, 2) as x, y in pixels."""

    label: int
    polygon: np.ndarray

    @property
    def box(self) -> list[float]:
        """COCO's box: x, y, width, height."""
        low, high = self.polygon.min(0), self.polygon.max(0)
        return [*low.tolist(), *(high - low).tolist()]

    @property
    def area(self) -> float:
        """Area of the polygon (shoelace formula), square pixels."""
        x, y = self.polygon.T
        return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('out', type=Path, help='folder to write, must not exist or be empty')
    parser.add_argument('--train', type=int, default=400, help='training images')
    parser.add_argument('--val', type=int, default=80, help='validation images')
    parser.add_argument('--size', type=int, default=128, help='side of the images, pixels')
    parser.add_argument('--seed', type=int, default=0, help='seed of crops and shapes')
    add_screen_options(parser)
    return parser.parse_args()


def read_photograph(name: str) -> np.ndarray:
    """A photograph, (H, W, 3), 0 to 255."""
    if name.endswith('.jpg'):
        from sklearn.datasets import load_sample_image

        return load_sample_image(name)
    from skimage import data

    return getattr(data, name)()


def random_crop(photograph: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A square crop of half to all of the shorter side, scaled to ``size``."""
    from PIL import Image

    side = int(min(photograph.shape[:2]) * rng.uniform(0.5, 1))
    top, left = (rng.integers(length - side + 1) for length in photograph.shape[:2])
    crop = photograph[top : top + side, left : left + side]
    return np.asarray(Image.fromarray(crop).resize((size, size), Image.Resampling.BILINEAR))


def corners(label: int, rng: np.random.Generator) -> np.ndarray:
    """Corners (K, 2) of a shape of radius 1 around 0; squares and triangles are turned a little."""
    count = (32, 4, 3)[label]
    turn = {'disc': 0, 'square': np.pi / 4, 'triangle': -np.pi / 2}[CLASSES[label]]
    angles = turn + rng.uniform(-0.2, 0.2) + 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def place_shapes(size: int, rng: np.random.Generator) -> list[Shape]:
    """One to four shapes of a diameter of 15 to 40 % of the side that do not overlap."""
    placed: list[tuple[np.ndarray, float]] = []
    shapes = []
    for _ in range(rng.integers(1, 5)):
        radius = size * rng.uniform(0.075, 0.2)
        centre = rng.uniform(radius, size - radius, 2)
        if any(np.linalg.norm(centre - other) < radius + far for other, far in placed):
            continue
        placed.append((centre, radius))
        label = int(rng.integers(len(CLASSES)))
        shapes.append(Shape(label, centre + radius * corners(label, rng)))
    return shapes


def paste(image: np.ndarray, shape: Shape, texture: np.ndarray, rng: np.random.Generator) -> None:
    """Fill a shape of ``image`` (size, size, 3) with a tinted ``texture`` of the same size."""
    from PIL import Image, ImageDraw

    mask = Image.new('L', image.shape[1::-1])
    ImageDraw.Draw(mask).polygon([tuple(corner) for corner in shape.polygon], fill=255)
    inside = np.asarray(mask) > 0
    tint = rng.integers(0, 256, 3)
    image[inside] = (0.35 * texture[inside] + 0.65 * tint).astype(np.uint8)


def write_split(out: Path, split: str, count: int, size: int, rng: np.random.Generator) -> None:
    """``count`` images into ``out/SPLIT`` and their annotations."""
    from PIL import Image

    photographs = [read_photograph(name) for name in PHOTOGRAPHS[split]]
    (out / split).mkdir(parents=True)
    images, annotations = [], []
    for i in track(range(count), split, unit='images'):
        image = random_crop(photographs[i % len(photographs)], size, rng).copy()
        for shape in place_shapes(size, rng):
            other = photographs[rng.integers(len(photographs))]
            paste(image, shape, random_crop(other, size, rng), rng)
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=i + 1,
                    category_id=shape.label + 1,
                    bbox=shape.box,
                    area=shape.area,
                    segmentation=[shape.polygon.ravel().tolist()],
                    iscrowd=0,
                )
            )
        file = f'{i + 1:06}.jpg'
        Image.fromarray(image).save(out / split / file, quality=95)
        images.append(dict(id=i + 1, file_name=file, width=size, height=size))
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (out / 'annotations').mkdir(exist_ok=True)
    (out / f'annotations/instances_{split}.json').write_text(json.dumps(content))


def main(args: argparse.Namespace) -> None:
    check_empty(args.out)
    check_integer('--seed', args.seed, 0)
    if min(args.train, args.val) < 1 or args.size < 64:
        raise ValueError(
            f'--train {args.train} --val {args.val} --size {args.size}: allowed: 1, 1, 64 and more'
        )
    rng = np.random.default_rng(args.seed)
    write_split(args.out, 'train', args.train, args.size, rng)
    write_split(args.out, 'val', args.val, args.size, rng)
    print(
        f'{args.out}: {args.train} training and {args.val} validation images of {args.size} '
        f'pixels; {", ".join(CLASSES)}'
    )


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
