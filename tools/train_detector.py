#!/usr/bin/env python
"""Train a detector of torchvision on COCO-format data, with a backbone of the project.

python tools/train_detector.py data/detection-sample --out work_dirs/detector

The data are DATA/{train,val}/ and DATA/annotations/instances_{train,val}.json. Prints loss and AP
(by pycocotools) and writes weights, metrics and pictures with boxes into the folder of --out.
"""

import argparse
import json
import math
from pathlib import Path

from senet_mm.cli import reported_errors
from senet_mm.utils.files import atomic_file
from senet_mm.utils.usage import ToolParser

# Allowed values of options, both ends included.
RANGES = dict(
    channels=(1, 10_000),
    size=(32, 10_000),
    epochs=(1, 10**6),
    batch_size=(1, 10**6),
    seed=(0, 2**63 - 1),
)


def parse_args() -> argparse.Namespace:
    parser = ToolParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', type=Path, help='folder of the data')
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/detector'), help='folder to write to'
    )
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
    parser.add_argument('--batch-size', type=int, default=8, help='images per step')
    parser.add_argument('--lr', type=float, default=0.02, help='highest learning rate')
    parser.add_argument('--seed', type=int, default=0, help='seed')
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
    if args.out.exists() and not args.out.is_dir():
        raise ValueError(f'--out {args.out} is a file; allowed: a folder')


def main(args: argparse.Namespace) -> None:
    check_args(args)
    import torch

    from senet_mm.detection import torchvision_backbone
    from senet_mm.detection.coco import CocoData, evaluate
    from senet_mm.detection.train import DETECTORS, build_detector, check_shapes, draw, train
    from senet_mm.engine.speed import use_memory
    from senet_mm.utils.options import check_option

    check_option('detector', args.detector, DETECTORS)
    masks = args.detector == 'mask-rcnn'
    training = CocoData(args.data, 'train', mirror=True, masks=masks)
    validation = CocoData(args.data, 'val', masks=masks, classes=training.classes)
    use_memory()
    torch.manual_seed(args.seed)
    pretrained = args.checkpoint is not None
    backbone = torchvision_backbone(
        args.backbone,
        args.checkpoint,
        frozen_stages=1 if pretrained else -1,
        norm_eval=pretrained,
        out_channels=args.channels,
    )
    detector = build_detector(args.detector, backbone, len(training.classes), args.size)
    detector.to('cuda' if torch.cuda.is_available() else 'cpu')
    for data in (training, validation):
        check_shapes(detector, data)
    validation.check_images()
    args.out.mkdir(parents=True, exist_ok=True)
    losses = train(detector, training, args.epochs, args.batch_size, args.lr, args.seed)
    # What took long is written before what comes after it can fail.
    torch.save(detector.state_dict(), args.out / 'detector.pth')
    metrics = evaluate(detector, validation)
    with atomic_file(args.out / 'metrics.json') as file:
        file.write(json.dumps(dict(losses=losses, **metrics), indent=2).encode())
    print(', '.join(f'{name} {value:.1f}' for name, value in metrics.items()), flush=True)
    draw(detector, validation, args.out / 'boxes.png')


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        main(args)
