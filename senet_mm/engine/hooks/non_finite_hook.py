"""Batches whose loss or gradient is not finite: skipped, named, counted; too many end the run."""

import math
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import EMAHook, Hook, RuntimeInfoHook
from torch import Tensor

from senet_mm.engine.batch_report import describe_batches, find_path
from senet_mm.engine.finite import Guard
from senet_mm.engine.recomputation import optim_wrappers
from senet_mm.engine.rollback import roll_back
from senet_mm.registry import HOOKS
from senet_mm.utils.errors import NonFiniteError
from senet_mm.utils.options import check_integer, check_option

if TYPE_CHECKING:
    from senet_mm.engine.runner import Runner

REMEDY = (
    'allowed: a lower learning rate, a warm-up, optim_wrapper.clip_grad, float32 or bfloat16 in '
    'the place of float16, images without damage'
)


@HOOKS.register_module()
class NonFiniteHook(Hook):
    """Part of every runner. Leaves out steps whose loss or gradient is not finite: :class:`.Guard`.

    The images of the step are logged. The position and the schedules move on. An infinite gradient
    under a loss scaler (``AmpOptimWrapper``) is no fault; a loss that is not finite is one.
    A checkpoint of weights that are not finite is never written.

    Args:
        patience: After so many steps in a row that were left out, or as soon as the weights are
            not finite, comes ``then``.
        then: ``stop`` raises the error; ``rollback`` puts back weights, averaged weights and
            optimizer of the last regular checkpoint, and goes on with the next batch. A second
            rollback to the same checkpoint, or one without a checkpoint, is a stop.

    Raises:
        ValueError: An argument is not allowed.
        NonFiniteError: The run cannot go on.
    """

    priority = 'VERY_HIGH'

    def __init__(self, patience: int = 10, then: str = 'stop') -> None:
        check_integer('NonFiniteHook: patience', patience)
        check_option('NonFiniteHook: then', then, ('stop', 'rollback'))
        self.patience = patience
        self.then = then
        self.count = 0
        self.in_row = 0
        self.rolled_back_to = ''
        self._guard: Guard | None = None
        self._begun: dict | None = None  # the step that is under way where a run is resumed
        self._excepted: set[str] = set()

    def before_train(self, runner: 'Runner') -> None:
        """Put a guard before the steps of all optimizers."""
        if self._guard is None:
            wrappers = optim_wrappers(runner.optim_wrapper)
            self._guard = Guard(runner.bare_model, wrappers, runner.agree)
            for hook in runner.hooks:
                if isinstance(hook, EMAHook):
                    hook.after_train_iter = self._unless_skipped(hook.after_train_iter)
                elif isinstance(hook, RuntimeInfoHook):
                    hook.after_train_iter = only_finite(hook.after_train_iter)
        if self._begun:
            self._guard.load_state_dict(self._begun)
            self._begun = None
        # A mask may hold infinities.
        self._excepted = {
            name for name, buffer in runner.bare_model.named_buffers() if not is_sound(buffer)
        }

    def before_train_iter(
        self, runner: 'Runner', batch_idx: int, data_batch: object = None
    ) -> None:
        assert self._guard
        self._guard.begin(getattr(runner.train_dataloader, 'indices', None))

    def after_train_iter(
        self,
        runner: 'Runner',
        batch_idx: int,
        data_batch: object = None,
        outputs: object = None,
    ) -> None:
        """Count and name what was left out; stop or roll back where it is too much."""
        assert self._guard
        if self._guard.skipped is False:
            self.in_row = 0
        if not self._guard.skipped:
            return
        self.in_row += 1
        self.count += 1
        runner.message_hub.update_scalar('train/skipped', self.count)
        find = partial(find_path, runner.train_dataloader.dataset)
        runner.logger.warning(
            f'iteration {runner.iter + 1} left out, {self.in_row} in a row, {self.count} in all: '
            + describe_batches(self._guard.batches, find)
        )
        if self.check_state(runner) and self.in_row >= self.patience:
            self._stop_or_roll_back(runner, f'{self.in_row} steps in a row were left out')

    def check_state(self, runner: 'Runner') -> bool:
        """Whether weights and buffers are finite in all processes, which must all call it.

        Raises:
            NonFiniteError: They are not, and there is nothing to roll back to.
        """
        if self._guard:
            self._guard.mend()
        wrong = [
            name
            for name, value in runner.bare_model.state_dict().items()
            if name not in self._excepted and not is_sound(value)
        ]
        found = [name for names in all_gather_object(wrong) for name in names]
        if found:
            self._stop_or_roll_back(runner, f'{found[0]} is not finite')
        return not found

    def state_dict(self) -> dict:
        """Counts, and the step that is under way in each process; all of them must call it."""
        state = dict(count=self.count, in_row=self.in_row, rolled_back_to=self.rolled_back_to)
        if self._guard and self._guard.skipped is None:
            state['begun'] = all_gather_object(self._guard.state_dict())
        return state

    def load_state_dict(self, state: Mapping) -> None:
        """Go on from a state of :meth:`state_dict`."""
        self.count, self.in_row = state['count'], state['in_row']
        self.rolled_back_to = state['rolled_back_to']
        begun = state.get('begun', [])
        self._begun = begun[get_rank()] if len(begun) == get_world_size() else None

    def _unless_skipped(self, after_train_iter: Callable[..., None]) -> Callable[..., None]:
        def call(*args: object, **kwargs: object) -> None:
            if not (self._guard and self._guard.skipped):
                after_train_iter(*args, **kwargs)

        return call

    def _stop_or_roll_back(self, runner: 'Runner', reason: str) -> None:
        path = runner.message_hub.runtime_info.get('last_ckpt') or ''
        name = os.path.basename(path)
        kept = f'{name} is kept' if name else 'no checkpoint was written'
        if self.then == 'rollback' and name == self.rolled_back_to and name:
            reason += f' again, after a rollback to {name}'
        elif self.then == 'rollback' and name:
            roll_back(runner, path)
            runner.logger.warning(f'{reason}: weights and optimizer are those of {name} again')
            self.rolled_back_to, self.in_row = name, 0
            return
        raise NonFiniteError(f'stopped in iteration {runner.iter + 1}: {reason}; {kept}; {REMEDY}')


def only_finite(after_train_iter: Callable[..., None]) -> Callable[..., None]:
    """A hook's function that gets the finite losses alone: one other spoils the mean of many."""

    def call(*args: object, outputs: dict[str, Tensor] | None = None, **kwargs: object) -> None:
        finite = {
            name: value
            for name, value in (outputs or {}).items()
            if math.isfinite(value.detach() if isinstance(value, Tensor) else value)
        }
        after_train_iter(*args, outputs=finite, **kwargs)

    return call


def is_sound(value: object) -> bool:
    """Whether what a state dict holds has no NaN and no infinity."""
    return not isinstance(value, Tensor) or bool(torch.isfinite(value).all())
