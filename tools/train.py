#!/usr/bin/env python
"""Train the network of a config.

Checkpoints, logs and the config go to the work directory.

python tools/train.py configs/digits/seresnet8_1xb64_digits.py
"""

import argparse
import gc

from senet_mm.cli import load_config, make_parser, reported_errors


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume from a checkpoint, by default from the last one in the work directory',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (bfloat16)')
    parser.add_argument('--no-validate', action='store_true', help='do not validate')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate to the batch size'
    )
    parser.add_argument(
        '--synthetic',
        action='store_true',
        help='train on one random batch repeatedly, to time the model without the data',
    )
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    from senet_mm.utils.start import watch_start

    watch_start(args.launcher)
    cfg = load_config(args)
    if args.no_validate or args.synthetic:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        if checkpoint := (cfg.get('default_hooks') or {}).get('checkpoint'):
            checkpoint.save_best = None
    if args.resume:
        cfg.resume = 'auto' if args.resume == 'auto' else True
        cfg.load_from = cfg.get('load_from') if args.resume == 'auto' else args.resume
    if args.amp:
        cfg.optim_wrapper.update(type='Bf16OptimWrapper', when='always')
    if args.auto_scale_lr:
        cfg.auto_scale_lr.enable = True

    from senet_mm.config.synthetic import use_synthetic
    from senet_mm.engine import Runner

    gc.freeze()  # mmengine has garbage collected for each data set, among all that is imported
    if args.synthetic:
        use_synthetic(cfg)
    Runner.from_cfg(cfg).train()


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
