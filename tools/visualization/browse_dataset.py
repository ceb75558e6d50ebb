#!/usr/bin/env python
"""Draw real images after each stage of a config's pipeline, as one picture.

python tools/visualization/browse_dataset.py configs/seresnet/seresnet50_8xb32_in1k.py

A row is an image, a column a stage; the last column is the network's input without normalisation.
The pictures are those of the first epoch of a training with the same seed.
"""

import argparse
from pathlib import Path

from senet_mm.cli import load_config, make_parser, reported_errors


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument(
        '--out',
        type=Path,
        help='.png, .svg or .pdf to write (default: pipeline.png in the work directory)',
    )
    parser.add_argument(
        '--split', choices=['train', 'val', 'test'], default='train', help='of the data'
    )
    parser.add_argument('--images', type=int, default=6, help='number of rows')
    parser.add_argument('--seed', type=int, default=0, help='seed of the run')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    from senet_mm.utils.figures import check_picture, save_figure
    from senet_mm.utils.options import check_integer

    check_integer('--images', args.images)
    check_integer('--seed', args.seed, 0)
    if args.out:
        check_picture(args.out)
    cfg = load_config(args)

    from mmengine.registry import init_default_scope

    from senet_mm.analysis.pipeline_stages import draw_grid, get_stages
    from senet_mm.engine.sizing import fit_to_data

    init_default_scope('senet_mm')
    fit_to_data(cfg)
    preprocessor = cfg.get('data_preprocessor') or cfg.model.data_preprocessor
    rows = get_stages(
        cfg[f'{args.split}_dataloader'], preprocessor, args.images, args.seed, args.split == 'train'
    )
    out = args.out or Path(cfg.work_dir, 'pipeline.png')
    out.parent.mkdir(parents=True, exist_ok=True)
    title = f'{Path(args.config).stem}, {args.split} images of epoch 1, seed {args.seed}'
    save_figure(draw_grid(rows, title), out)
    print(f'{out}: {len(rows)} images, stages {", ".join(rows[0].pictures)}')


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
