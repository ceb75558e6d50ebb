#!/usr/bin/env python
"""Deploy a checkpoint and report speed and accuracy before and after.

python tools/deploy.py configs/seresnet/seresnet50_8xb32_in1k.py seresnet50.pth --to fold

The report uses images of the config's test set. The deployed network and a JSON file beside it hold
the record: preprocessing, class names, config, recipe, licence, source.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.cli import TRAINING, load_config, make_parser, reported_errors

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor, nn


def parse_args() -> argparse.Namespace:
    parser = make_parser('Deploy a checkpoint')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--to',
        choices=['fold', 'compile', 'onnx', 'openvino'],
        default='fold',
        help='form of the deployed network',
    )
    parser.add_argument(
        '--preprocessing',
        action='store_true',
        help='with onnx: the file takes images of any size and gives scores and class names',
    )
    parser.add_argument('--images', type=int, default=32, help='number of images in the report')
    parser.add_argument('--batch-size', type=int, default=16, help='batch size for the throughput')
    parser.add_argument('--rounds', type=int, default=10, help='number of timed calls')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads')
    return parser.parse_args()


def read_images(cfg: 'Config', model: 'nn.Module', number: int) -> 'Tensor':
    """Images of the test set, evenly from all of it, preprocessed: (N, C, H, W)."""
    from mmengine.dataset import default_collate

    from senet_mm.registry import DATASETS

    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    step = max(1, len(dataset) // number)
    batch = default_collate([dataset[i] for i in range(0, len(dataset), step)[:number]])
    return model.data_preprocessor(batch)['inputs']


def main(args: argparse.Namespace) -> None:
    for option, least in (('images', 2), ('batch_size', 2), ('rounds', 2), ('threads', 1)):
        if (given := getattr(args, option)) < least:
            raise ValueError(f'--{option.replace("_", "-")} {given}: allowed: {least} and more')
    cfg = load_config(args, unused=TRAINING)

    import torch
    from mmengine.device import get_device
    from mmengine.registry import init_default_scope

    from senet_mm.apis import get_model
    from senet_mm.deploy import check_with_images, compare_scores, deploy, make_report, read_record
    from senet_mm.engine.weights.record import record_of
    from senet_mm.utils.tables import markdown_table

    torch.set_num_threads(args.threads)
    init_default_scope('senet_mm')
    device = get_device()
    model = get_model(cfg, args.checkpoint, device=device)
    record = record_of(model)
    if args.preprocessing:
        check_with_images(model, args.to, record['preprocessing'])
    images = read_images(model.cfg, model, args.images)
    folder = Path(cfg.work_dir)
    deployed = deploy(model, args.to, images[:2], folder, record, args.preprocessing)
    record = read_record(deployed.path)
    deployed.path.with_suffix('.json').write_text(json.dumps(record, indent=2))
    model.to(device)
    report = make_report(torch.no_grad()(model), deployed.run, images, args.batch_size, args.rounds)
    if args.preprocessing:
        report |= compare_scores(deployed.path, model, args.images)
    print(f'{deployed.path}: {deployed.how}; torch {torch.__version__}, {device},')
    print(f'{args.threads} thread(s); medians of {args.rounds} calls in turns (quartiles)\n')
    rows = []
    for name, row in report.items():
        cells = [row.get(key, '') for key in ('before', 'after', 'ratio')]
        cells = [f'{cell:.4g}' if isinstance(cell, float) else str(cell) for cell in cells]
        rows.append([name, *cells])
    print(markdown_table(['', 'before', 'after', 'before / after'], rows), end='')


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
