#!/usr/bin/env python
"""Measure a checkpoint on the test set of a config.

python tools/test.py configs/digits/seresnet8_1xb64_digits.py \
    work_dirs/seresnet8_1xb64_digits/epoch_30.pth
"""

import argparse
import copy
import gc
from typing import TYPE_CHECKING

from senet_mm.cli import TRAINING, load_config, make_parser, reported_errors

if TYPE_CHECKING:
    from mmengine.config import Config


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', metavar='FILE', help='write the results: .pkl, .json or .yml')
    parser.add_argument(
        '--out-item',
        choices=['pred', 'metrics'],
        default='pred',
        help='what --out writes: the predictions (.pkl) or the metrics',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument('--tta', action='store_true', help='average over the image and its mirror')
    return parser.parse_args()


def use_tta(cfg: 'Config') -> None:
    """Average scores over ``tta_pipeline``; by default over the image and its mirror image."""
    pipeline = cfg.test_dataloader.dataset.pipeline
    if 'tta_pipeline' not in cfg:
        mirror = [dict(type='RandomFlip', prob=prob) for prob in (0.0, 1.0)]
        branches = dict(type='TestTimeAug', transforms=[mirror, [pipeline[-1]]])
        cfg.tta_pipeline = [*pipeline[:-1], branches]
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    model = copy.deepcopy(cfg.model)
    model.setdefault('data_preprocessor', cfg.pop('data_preprocessor', None))
    cfg.model = dict(**cfg.get('tta_model', dict(type='AverageClsScoreTTA')), module=model)


def main(args: argparse.Namespace) -> None:
    if args.out and args.out_item == 'pred' and not args.out.endswith(('.pkl', '.pickle')):
        raise ValueError(f'--out {args.out}: predictions are written as .pkl or .pickle')
    if args.out and not args.out.endswith(('.pkl', '.pickle', '.json', '.yml', '.yaml')):
        raise ValueError(f'--out {args.out}: metrics are written as .json, .yml or .pkl')
    from senet_mm.utils.start import watch_start

    watch_start(args.launcher)
    cfg = load_config(args, unused=TRAINING)
    if args.amp:
        cfg.test_cfg.fp16 = True
    if args.tta:
        use_tta(cfg)

    import mmengine
    from mmengine.evaluator import DumpResults

    from senet_mm.engine import Runner

    gc.freeze()  # mmengine has garbage collected for each data set, among all that is imported
    runner = Runner.from_checkpoint(cfg, args.checkpoint)
    if args.out and args.out_item == 'pred':
        runner.test_evaluator.metrics.append(DumpResults(out_file_path=args.out))
    metrics = runner.test()
    if args.out and args.out_item == 'metrics' and runner.rank == 0:
        mmengine.dump(metrics, args.out)


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
