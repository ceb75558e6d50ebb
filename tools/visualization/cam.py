#!/usr/bin/env python
"""Draw where a network looks: Grad-CAM of images, for the predicted class or another one.

python tools/visualization/cam.py work_dirs/seresnet18_1xb32_folder/best_*.pth data/pictures \
    --out work_dirs/cam

Writes a picture for each image: the pixels that the network saw, after resizing and cropping, and
the map over them. A picture that is there already stays. Images that cannot be used are listed on
stderr and skipped; the exit code is then 65. Needs the extra: pip install -e '.[cam]'
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senet_mm.cli import SKIPPED, add_config_for_checkpoint, config_for_checkpoint, reported_errors
from senet_mm.utils.files import check_folder
from senet_mm.utils.usage import ToolParser, add_screen_options

if TYPE_CHECKING:
    from senet_mm.apis.predictor import Predictor


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('checkpoint', help='weights of tools/train.py, tools/model_converters/')
    parser.add_argument('images', nargs='+', help='files, folders or patterns')
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/cam'), help='folder for the pictures'
    )
    add_config_for_checkpoint(parser)
    parser.add_argument(
        '--class', dest='label', help='name or index of the class (default: the predicted one)'
    )
    parser.add_argument(
        '--layer',
        help='block by its name in the figures, such as SE_4_6, or the path of a module '
        "(default: the backbone's last map)",
    )
    parser.add_argument('--device', help='cpu, cuda, ... (default: a GPU if there is one)')
    add_screen_options(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> int:
    """Draw; returns the exit code."""
    check_folder(args.out, '--out')

    from senet_mm.analysis.cam import find_layer
    from senet_mm.analysis.names import find_class
    from senet_mm.apis.checks import check_finite, check_one_checkpoint
    from senet_mm.apis.predictor import open_predictor
    from senet_mm.datasets.image_paths import find_images
    from senet_mm.utils.names import printable
    from senet_mm.utils.progress import track

    check_one_checkpoint(args.checkpoint, args.images)
    images = find_images(args.images)
    config = config_for_checkpoint(args)
    predictor = open_predictor(args.checkpoint, config, args.device)
    if predictor.model is None:
        raise ValueError(f'{args.checkpoint} is an exported network; allowed: a checkpoint')
    check_finite(predictor.model, args.checkpoint)
    if args.layer is not None:
        find_layer(predictor.model, args.layer)
    names = predictor.classes or tuple(map(str, range(predictor.num_classes)))
    label = None if args.label is None else find_class(args.label, names)
    args.out.mkdir(parents=True, exist_ok=True)
    skipped = 0
    loaded = zip(images, predictor.load(images, batch_size=1), strict=True)
    for path, (batch, [error]) in track(loaded, 'images', len(images), 'images'):
        if error is None:
            print(draw(predictor, batch, path, free_file(args.out, path), names, label, args.layer))
        else:
            skipped += 1
            print(f'skipped {printable(path)}: {error}', file=sys.stderr)
    if skipped:
        print(f'{skipped} of {len(images)} images were skipped', file=sys.stderr)
    return SKIPPED if skipped else 0


def free_file(folder: Path, image: str) -> Path:
    """A name for the picture of an image that no file has yet."""
    stem = Path(image).stem
    names = (f'{stem}{number}.png' for number in chain([''], (f'-{i}' for i in count(2))))
    return next(folder / name for name in names if not (folder / name).exists())


def draw(
    predictor: 'Predictor',
    batch: dict[str, Any],
    path: str,
    out: Path,
    names: Sequence[str],
    label: int | None,
    layer: str | None,
) -> str:
    """Write the picture of an image; returns the line about it.

    Args:
        predictor: The network.
        batch: The image alone, as the predictor loads it.
        path: Its file.
        out: File of the picture.
        names: Names of the classes.
        label: The class; None for the predicted one.
        layer: The layer; None for the last map.
    """
    from senet_mm.analysis.cam import compute_cam, describe_look
    from senet_mm.analysis.cam_figure import draw_cam
    from senet_mm.utils.figures import save_figure, short_text
    from senet_mm.utils.names import printable

    assert predictor.model is not None
    picture = predictor.show(batch)[0]
    scores = predictor.score(batch)[0]
    best = int(scores.argmax())
    chosen = best if label is None else label
    inputs = predictor.model.data_preprocessor(batch)['inputs']
    [cam] = compute_cam(predictor.model, inputs, [chosen], layer)
    what = describe(short_text(names[chosen]), float(scores[chosen]))
    what += f', layer {short_text(layer)}' if layer else ''
    if chosen != best:
        what += f'\npredicted: {describe(short_text(names[best]), float(scores[best]))}'
    save_figure(draw_cam(picture, cam, f'{short_text(Path(path).name)}: {what}'), out)
    if cam.min() == cam.max():
        what += f'\n{describe_look(cam, short_text(names[chosen]))}'
    return f'{printable(out)}: {what}'.replace('\n', '; ')


def describe(name: str, score: float) -> str:
    """A class and its score, for a title or a line."""
    return f'class {name}, score {score:.3f}'


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        sys.exit(main(args))
