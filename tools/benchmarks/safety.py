#!/usr/bin/env python
"""Time training with all that makes it safe against training without, in turns.

python tools/benchmarks/safety.py --rounds 5

Safe: checkpoints at every epoch and between (written by a thread), signals, the check of losses and
gradients, the watch over hanging processes, random numbers by position. Each training has one epoch
of synthetic batches; its start is not counted.
"""

import argparse
import statistics
import tempfile
import time

from senet_mm.cli import reported_errors
from senet_mm.utils.usage import ToolParser, check_leasts

# The first iteration is not timed.
LEASTS = dict(batch_size=1, iterations=2, rounds=1, threads=1)


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--config', default='seresnet18_8xb32_in1k', help='what is trained')
    parser.add_argument('--batch-size', type=int, default=16, help='images')
    parser.add_argument('--iterations', type=int, default=40, help='of a training')
    parser.add_argument('--minutes', type=float, default=0.25, help='between two checkpoints')
    parser.add_argument('--rounds', type=int, default=5, help='trainings of each kind')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads')
    return parser.parse_args()


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        check_leasts(args, LEASTS)

from helpers.common import start
from mmengine import Config
from mmengine.hooks import Hook

from senet_mm.apis import get_config
from senet_mm.config.synthetic import use_synthetic
from senet_mm.engine import Runner
from senet_mm.engine.hooks import PositionHook
from senet_mm.utils.measure import synchronize
from senet_mm.utils.tables import markdown_table

UNSAFE = {f'default_hooks.{name}': None for name in ('checkpoint', 'non_finite', 'stall')}


class UnsafeRunner(Runner):
    """Nothing is polled between iterations, and generators are not seeded by position."""

    def register_hooks(self, *args: object, **kwargs: object) -> None:
        super().register_hooks(*args, **kwargs)
        self._hooks = [hook for hook in self.hooks if not isinstance(hook, PositionHook)]

    def after_iteration(self) -> None:
        pass


class Clock(Hook):
    """Seconds from the second iteration to the end of the training."""

    priority = 'LOWEST'

    def after_train_iter(self, runner: Runner, batch_idx: int, *args: object, **kw: object) -> None:
        if batch_idx == 0:
            synchronize()
            self.start = time.perf_counter()

    def after_train(self, runner: Runner) -> None:
        synchronize()
        self.seconds = time.perf_counter() - self.start


def make_config(args: argparse.Namespace, safe: bool) -> Config:
    """A training of one epoch on synthetic batches."""
    cfg = get_config(args.config, {} if safe else UNSAFE)
    cfg.train_dataloader.batch_size = args.batch_size
    use_synthetic(cfg, args.iterations)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.train_cfg = dict(by_epoch=True, max_epochs=1)
    cfg.fuse_tails = None  # a trial at the start may end otherwise from run to run
    cfg.log_level = 'ERROR'
    if safe:
        cfg.default_hooks.checkpoint.update(save_best=None, minutes=args.minutes)
    return cfg


def train(args: argparse.Namespace, safe: bool, turn: int) -> float:
    """Seconds of one training."""
    cfg, clock = make_config(args, safe), Clock()
    with tempfile.TemporaryDirectory() as cfg.work_dir:
        runner = (Runner if safe else UnsafeRunner).from_cfg(cfg)
        runner.register_hook(clock)
        runner.train()
    return clock.seconds


def main(args: argparse.Namespace) -> None:
    start(args)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(args.rounds):
        for safe in (turn % 2 == 0, turn % 2 == 1):  # whichever comes first meets other caches
            seconds[safe].append(train(args, safe, turn))
    ratios = [on / off for on, off in zip(seconds[True], seconds[False], strict=True)]
    rows = [
        [name, f'{statistics.median(seconds[safe]):.2f}', f'{min(seconds[safe]):.2f}']
        for name, safe in (('safe', True), ('without', False))
    ]
    print(markdown_table(['training', 'median, s', 'least, s'], rows), end='')
    print(f'safe / without, by turn: {", ".join(f"{ratio:.3f}" for ratio in ratios)}')
    print(f'median: {statistics.median(ratios):.3f}')


if __name__ == '__main__':
    with reported_errors():
        main(args)
