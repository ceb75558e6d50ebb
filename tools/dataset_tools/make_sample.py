#!/usr/bin/env python
"""Write a small data set from photographs that come with scikit-image, in ImageNet's layout.

python tools/dataset_tools/make_sample.py data/imagenet-sample

Each photograph is a class; its images are random crops. The ImageNet recipes run on it with
``--cfg-options data_root=data/imagenet-sample``. This shows that a recipe runs; the score means
nothing.

python tools/dataset_tools/make_sample.py data/pictures --untidy

writes a folder as people have them, for the recipes of configs/finetune: three classes of 40, 8 and
3 pictures, suffixes in both cases, a broken picture and a system's files.
"""

import argparse
from pathlib import Path

import numpy as np

from senet_mm.cli import reported_errors
from senet_mm.utils.files import check_empty
from senet_mm.utils.options import check_integer
from senet_mm.utils.progress import track
from senet_mm.utils.usage import ToolParser, add_screen_options

# Colour photographs inside the wheel of scikit-image: none needs a download.
PHOTOGRAPHS = (
    'astronaut',
    'chelsea',
    'coffee',
    'hubble_deep_field',
    'immunohistochemistry',
    'retina',
    'rocket',
)
# Of the untidy folder: class -> photograph, number of pictures.
UNTIDY = {'rote Blüte': ('flower', 40), 'Katze': ('chelsea', 8), 'Kaffee': ('coffee', 3)}


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('out', type=Path, help='folder to write, must not exist or be empty')
    parser.add_argument('--train', type=int, default=20, help='training images per class')
    parser.add_argument('--val', type=int, default=5, help='validation images per class')
    parser.add_argument('--untidy', action='store_true', help='write a folder of untidy pictures')
    parser.add_argument('--seed', type=int, default=0, help='seed of the crops')
    add_screen_options(parser)
    return parser.parse_args()


def random_crop(photograph: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A crop of half to all of the sides of (H, W, 3)."""
    height, width = (int(side * rng.uniform(0.5, 1)) for side in photograph.shape[:2])
    top = rng.integers(photograph.shape[0] - height + 1)
    left = rng.integers(photograph.shape[1] - width + 1)
    return photograph[top : top + height, left : left + width]


def load_photograph(name: str) -> np.ndarray:
    """A photograph (H, W, 3) of scikit-image or scikit-learn."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    return load_sample_image('flower.jpg') if name == 'flower' else getattr(data, name)()


def write_untidy(out: Path, rng: np.random.Generator) -> None:
    """Write the untidy folder."""
    from PIL import Image

    for label, (name, count) in UNTIDY.items():
        photograph = load_photograph(name)
        (out / label).mkdir(parents=True)
        (out / label / '.DS_Store').write_bytes(b'Bud1')
        for i in range(count):
            file = out / label / f'Bild {i}{(".jpg", ".JPG", ".png")[i % 3]}'
            Image.fromarray(random_crop(photograph, rng)).save(file)
    whole = (out / 'Katze' / 'Bild 0.jpg').read_bytes()
    (out / 'Katze' / 'kaputt.jpg').write_bytes(whole[: len(whole) // 2])
    (out / 'Thumbs.db').touch()
    print(f'{out}: {", ".join(f"{count} of {label}" for label, (_, count) in UNTIDY.items())}')


def main(args: argparse.Namespace) -> None:
    from PIL import Image

    check_empty(args.out)
    check_integer('--seed', args.seed, 0)
    if args.untidy:
        write_untidy(args.out, np.random.default_rng(args.seed))
        return
    if min(args.train, args.val) < 1:
        raise ValueError(f'--train {args.train} --val {args.val}: allowed: 1 and more')
    rng = np.random.default_rng(args.seed)
    (args.out / 'meta').mkdir(parents=True)
    for split, count in (('train', args.train), ('val', args.val)):
        lines = []
        for label, name in enumerate(PHOTOGRAPHS):
            photograph = load_photograph(name)
            folder = args.out / split / name
            folder.mkdir(parents=True)
            for i in track(range(count), f'{split}/{name}', unit='images'):
                file = folder / f'{name}_{i}.JPEG'
                Image.fromarray(random_crop(photograph, rng)).save(file, quality=90)
                lines.append(f'{name}/{file.name} {label}\n')
        # OpenMMLab's annotation files: without them the number of folders must be 1000.
        (args.out / 'meta' / f'{split}.txt').write_text(''.join(lines))
    print(
        f'{args.out}: {len(PHOTOGRAPHS)} classes, {args.train} training and {args.val} validation '
        'images each'
    )


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
