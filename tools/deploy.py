#!/usr/bin/env python
"""Deploy a checkpoint and report speed and accuracy before and after.

python tools/deploy.py configs/seresnet/seresnet50_8xb32_in1k.py seresnet50.pth --to fold

CONFIG may be left out: the checkpoint has it. The report uses images of the config's test set;
where that is not there, or without CONFIG, random ones. The deployed network is written to the work
directory; it and a JSON file beside it hold the record: preprocessing, class names, config, recipe,
licence, source.

python tools/deploy.py CONFIG CHECKPOINT --to openvino --int8 --max-drop 0.5

quantises to 8-bit integers, calibrated on images of the training set.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.cli import TRAINING, load_config, make_parser, reported_errors
from senet_mm.utils.files import check_folder
from senet_mm.utils.usage import check_leasts, name_option

if TYPE_CHECKING:
    from torch import nn

    from senet_mm.deploy import Deployed
    from senet_mm.deploy.images import Images
    from senet_mm.models import ImageClassifier


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, needs_config=False)
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
    parser.add_argument(
        '--images', type=int, help='number of images in the report: 32, with --int8 1000'
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        default=16,
        help='images of a batch, for the throughput and for --squeeze auto',
    )
    parser.add_argument(
        '--squeeze',
        choices=['auto', 'early', 'late'],
        help='compute gates before the last 1x1 convolution of a block, or behind it; by default '
        'auto, which times both',
    )
    parser.add_argument('--rounds', type=int, default=10, help='number of timed calls')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads')
    parser.add_argument(
        '--int8', action='store_true', help='8-bit integers, with --to onnx or --to openvino'
    )
    parser.add_argument(
        '--calibration-images',
        type=int,
        metavar='N',
        help='images of the training set by which --int8 calibrates: 300',
    )
    parser.add_argument(
        '--max-drop',
        type=float,
        metavar='POINTS',
        help='accuracy that --int8 may cost, in percentage points; what costs more is not written',
    )
    return parser.parse_intermixed_args()


def check(args: argparse.Namespace) -> None:
    """Check the options and set defaults that depend on others."""
    for option in ('calibration_images', 'max_drop'):
        if (given := getattr(args, option)) is not None and not args.int8:
            raise ValueError(f'{name_option(option)} {given}; allowed: with --int8')
    if args.squeeze is not None and args.int8:
        raise ValueError(f'--squeeze {args.squeeze} with --int8; allowed: without --int8')
    if args.config is None:
        if args.cfg_options:
            raise ValueError('--cfg-options changes a config; allowed: CONFIG CHECKPOINT')
        if args.int8:
            raise ValueError('--int8 calibrates on the training set of a config; allowed: CONFIG')
    args.images = (1000 if args.int8 else 32) if args.images is None else args.images
    args.calibration_images = 300 if args.calibration_images is None else args.calibration_images
    leasts = dict(images=2, batch_size=1, rounds=2, threads=1, calibration_images=1)
    check_leasts(args, leasts)
    if args.int8:
        from senet_mm.deploy.int8 import check_int8

        check_int8(args.to, args.max_drop)


def deploy_as_int8(
    args: argparse.Namespace, model: 'nn.Module', test: 'Images', folder: Path, record: dict
) -> 'Deployed':
    """Quantise, print what it costs, and write the best network if that is not too much."""
    from senet_mm.deploy.images import control_set, read_images, training_set
    from senet_mm.deploy.int8 import quantise, write
    from senet_mm.deploy.int8.report import print_report

    number = args.calibration_images
    calibration = read_images(training_set(model.cfg), model, number, skip_damaged=True)

    def control() -> 'Images':
        dataset = control_set(model.cfg)
        same = dataset == model.cfg.test_dataloader.dataset
        where = 'the report, whose figures for it are optimistic' if same else 'the validation set'
        print(f'--max-drop {args.max_drop:g} is exceeded: accuracy control on images of {where}')
        return read_images(dataset, model, args.images)

    quantised = quantise(model, args.to, calibration.inputs, test, control, args.max_drop)
    print_report(quantised, calibration, test, record['classes'], folder)
    return write(quantised, folder, test, args.max_drop, record, args.preprocessing)


def open_network(args: argparse.Namespace) -> tuple['ImageClassifier', Path]:
    """The classifier, and the folder to write to."""
    cfg = None
    if args.config is None:
        folder = Path(args.work_dir or Path('work_dirs', Path(args.checkpoint).absolute().stem))
        check_folder(folder, '--work-dir')
    else:
        # Quantising takes images of the training set.
        cfg = load_config(args, unused=() if args.int8 else TRAINING)
        folder = Path(cfg.work_dir)

    from mmengine.device import get_device

    from senet_mm.apis import get_model

    return get_model(cfg, args.checkpoint, device=get_device()), folder


def read_test(args: argparse.Namespace, model: 'ImageClassifier') -> 'Images':
    """Images for the report: those of the test set, or random ones."""
    from senet_mm.deploy.images import make_random_images, read_test_images

    if args.config is None:  # data sets of a stranger's config are not built
        return make_random_images(model, args.images, 'without CONFIG there is no test set')
    named = any(key.startswith('test_dataloader') or 'data_root' in key for key in args.cfg_options)
    test = read_test_images(model, args.images, named)
    if args.int8 and test.missing:
        raise ValueError(f'--int8 measures on the test set, and {test.missing}')
    return test


def main(args: argparse.Namespace) -> None:
    check(args)
    model, folder = open_network(args)

    import torch
    from mmengine.registry import init_default_scope

    from senet_mm.deploy import (
        check_with_images,
        compare_scores,
        deploy,
        make_batch,
        make_report,
        read_record,
    )
    from senet_mm.engine.speed import use_memory
    from senet_mm.engine.weights.record import record_of
    from senet_mm.utils.names import counted, format_number
    from senet_mm.utils.progress import ProgressBar
    from senet_mm.utils.tables import markdown_table

    use_memory()
    torch.set_num_threads(args.threads)
    init_default_scope('senet_mm')
    device = next(model.parameters()).device
    record = record_of(model)
    if args.preprocessing:
        check_with_images(model, args.to, record['preprocessing'])
    test = read_test(args, model)
    images = test.inputs
    if args.int8:
        deployed = deploy_as_int8(args, model, test, folder, record)
    else:
        example = make_batch(images, args.batch_size)
        squeeze = args.squeeze or 'auto'
        with ProgressBar('deployment', rated=False):
            deployed = deploy(model, args.to, example, folder, record, args.preprocessing, squeeze)
    record = read_record(deployed.path)
    deployed.path.with_suffix('.json').write_text(json.dumps(record, indent=2))
    model.to(device)
    with ProgressBar('report', rated=False):
        network = torch.no_grad()(model)
        report = make_report(network, deployed.run, images, args.batch_size, args.rounds)
    if test.missing:
        report = {name: row for name, row in report.items() if name != 'same top-1'}
    elif args.preprocessing:
        report |= compare_scores(deployed.path, model, args.images)
    print(f'{deployed.path}: {deployed.how}; torch {torch.__version__}, {device},')
    threads = counted(args.threads, 'thread')
    print(f'{threads}; medians of {args.rounds} calls in turns (quartiles)\n')
    if test.missing:
        print(f'{test.missing}: random images, agreement and accuracy are left out\n')
    rows = []
    for name, row in report.items():
        cells = [row.get(key, '') for key in ('before', 'after', 'ratio')]
        cells = [format_number(c, 4) if isinstance(c, float) else str(c) for c in cells]
        rows.append([name, *cells])
    print(markdown_table(['', 'before', 'after', 'before / after'], rows), end='')


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
