"""What follows from the position of a run alone: the network's random numbers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from senet_mm.datasets.seeding import seed_generators
from senet_mm.engine.loops import VALIDATED
from senet_mm.registry import HOOKS

if TYPE_CHECKING:
    from senet_mm.engine.runner import Runner

# Streams of random numbers; keys of five parts, where those of samples have up to four.
TRAINING, VALIDATION = 1, 2


@HOOKS.register_module()
class PositionHook(Hook):
    """Part of every runner. Seeds the generators by (seed, iteration, process).

    Dropout, stochastic depth and mixup draw the same numbers in a run that was resumed as in one
    that was not interrupted.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(
        self, runner: 'Runner', batch_idx: int, data_batch: Mapping | None = None
    ) -> None:
        self._seed(runner, TRAINING)

    def before_val(self, runner: 'Runner') -> None:
        self._seed(runner, VALIDATION)

    def before_val_epoch(self, runner: 'Runner') -> None:
        runner.is_validating = True

    def after_val_iter(
        self, runner: 'Runner', batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """See whether the run is to be ended."""
        if runner.watch.has_work:
            runner.watch.poll()

    def after_val_epoch(self, runner: 'Runner', metrics: Mapping[str, float] | None = None) -> None:
        # Before the hook that sets the trained weights back; mmpretrain's then validates these.
        runner.is_validating = False

    def after_val(self, runner: 'Runner') -> None:
        """Remember in checkpoints that all hooks know the scores of these weights."""
        runner.message_hub.update_info(VALIDATED, runner.iter)

    def _seed(self, runner: 'Runner', stream: int) -> None:
        seed = seed_generators((runner.seed, runner.iter, get_rank(), 0, stream))
        if torch.cuda.is_available():
            torch.cuda.manual_seed(seed)
