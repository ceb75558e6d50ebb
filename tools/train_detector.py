#!/usr/bin/env python
"""Train a detector of torchvision on COCO-format data, with a backbone of the project.

python tools/train_detector.py data/detection-sample --work-dir work_dirs/detector

The data are DATA/{train,val}/ and DATA/annotations/instances_{train,val}.json. The work directory
gets checkpoints, logs, AP of every epoch (result.json) and pictures with boxes (boxes.png).
"""

import argparse
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.cli import add_cfg_options, reported_errors
from senet_mm.utils.files import check_folder
from senet_mm.utils.usage import RankParser, add_screen_options

if TYPE_CHECKING:
    from mmengine.config import Config

# Allowed values of options, both ends included.
RANGES = dict(
    channels=(1, 10_000),
    size=(32, 10_000),
    epochs=(1, 10**6),
    batch_size=(1, 10**6),
    seed=(0, 2**32 - 1),
)
CONFIG = '_base_/detection/torchvision.py'


def parse_args() -> argparse.Namespace:
    parser = RankParser(__doc__)
    parser.add_argument('data', type=Path, help='folder of the data')
    parser.add_argument(
        '--work-dir', '--out', type=Path, default=Path('work_dirs/detector'),
        help='folder for checkpoints, logs and results',
    )  # fmt: skip
    parser.add_argument(
        '--resume', nargs='?', const='auto', metavar='CHECKPOINT',
        help='resume from a checkpoint, by default from the last one in the work directory',
    )  # fmt: skip
    parser.add_argument(
        '--backbone', default='seresnet18_8xb32_in1k', help='config whose backbone is used'
    )
    parser.add_argument('--checkpoint', help='weights of the backbone; stem and stage 1 are frozen')
    parser.add_argument(
        '--detector', default='faster-rcnn', help='faster-rcnn, mask-rcnn or retinanet'
    )
    parser.add_argument('--channels', type=int, default=64, help='channels of the pyramid')
    parser.add_argument(
        '--size', type=int, default=128, help='shorter side of the images, pixels, from 32'
    )
    parser.add_argument('--epochs', type=int, default=10, help='epochs')
    parser.add_argument('--batch-size', type=int, default=8, help='images per step and per process')
    parser.add_argument('--lr', type=float, default=0.02, help='highest learning rate')
    parser.add_argument('--seed', type=int, default=0, help='seed')
    add_cfg_options(parser)
    add_screen_options(parser)
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
        help='what started the processes',
    )  # fmt: skip
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def check_args(args: argparse.Namespace) -> None:
    """Raise a ValueError for an option that cannot be meant."""
    for name, (lowest, highest) in RANGES.items():
        value = getattr(args, name)
        if not lowest <= value <= highest:
            option = name.replace('_', '-')
            raise ValueError(f'--{option} {value}; allowed: {lowest} to {highest}')
    if not 0 < args.lr < math.inf:
        raise ValueError(f'--lr {args.lr}; allowed: a finite number above 0')
    check_folder(args.work_dir, '--work-dir')


def make_config(args: argparse.Namespace) -> 'Config':
    """The config of the training; ``--cfg-options`` come last."""
    from senet_mm.config import get_config

    pretrained = args.checkpoint is not None
    options = dict(
        data_root=str(args.data),
        size=args.size,
        lr=args.lr,
        max_epochs=args.epochs,
        masks=args.detector == 'mask-rcnn',
    )
    # Keys of the config, which its variables do not reach.
    options |= {
        'model.detector': args.detector,
        'model.backbone.name': args.backbone,
        'model.backbone.checkpoint': args.checkpoint,
        'model.backbone.frozen_stages': 1 if pretrained else -1,
        'model.backbone.norm_eval': pretrained,
        'model.backbone.out_channels': args.channels,
        'train_dataloader.batch_size': args.batch_size,
        'randomness.seed': args.seed,
    }
    cfg = get_config(CONFIG, {**options, **args.cfg_options})
    cfg.work_dir, cfg.launcher = str(args.work_dir), args.launcher
    if args.resume:
        cfg.resume = 'auto' if args.resume == 'auto' else True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    return cfg


def main(args: argparse.Namespace) -> None:
    check_args(args)
    from senet_mm.utils.start import watch_start

    watch_start(args.launcher)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    from senet_mm.detection.build import DETECTORS
    from senet_mm.engine import Runner
    from senet_mm.utils.options import check_option
    from senet_mm.utils.slurm import use_slurm

    check_option('detector', args.detector, DETECTORS)
    if args.launcher == 'slurm':
        use_slurm()
    Runner.from_cfg(make_config(args)).train()


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
