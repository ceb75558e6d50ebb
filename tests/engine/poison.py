"""Hooks that make batches go wrong, or leave them out, at given iterations."""

from collections.abc import Sequence

import torch
from mmengine.dist import get_rank
from mmengine.hooks import EMAHook, Hook, ParamSchedulerHook

from senet_mm.registry import HOOKS


@HOOKS.register_module()
class Poison(Hook):
    """Makes images, loss or gradient NaN or infinite, or weights NaN after the step.

    Args:
        what: ``image``, ``loss``, ``gradient`` or ``weight``.
        iters: The iterations, from 0.
        ranks: The processes; by default all.
        value: What is put there.
    """

    def __init__(
        self,
        what: str,
        iters: Sequence[int],
        ranks: Sequence[int] | None = None,
        value: float = float('nan'),
    ) -> None:
        self.what, self.iters, self.ranks, self.value = what, iters, ranks, value

    def is_due(self, runner):
        return runner.iter in self.iters and (self.ranks is None or get_rank() in self.ranks)

    def before_train(self, runner):
        model = runner.bare_model
        parse = model.parse_losses

        def parse_losses(losses):
            total, values = parse(losses)
            if self.what == 'loss' and self.is_due(runner):
                total = total * self.value
                values['loss'] = total
            return total, values

        model.parse_losses = parse_losses
        for parameter in list(model.parameters())[:1]:
            parameter.register_hook(
                lambda gradient: (
                    gradient * self.value
                    if self.what == 'gradient' and self.is_due(runner)
                    else gradient
                )
            )

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if self.what == 'image' and self.is_due(runner):
            images = data_batch['inputs'].float()
            images[0, 0, 0, 0] = self.value
            data_batch['inputs'] = images

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.what == 'weight' and self.is_due(runner):
            with torch.no_grad():
                next(runner.bare_model.parameters()).fill_(self.value)


@HOOKS.register_module()
class LeaveOut(Hook):
    """Does not train the batches of given iterations at all; only schedules move on.

    Args:
        iters: The iterations, from 0.
    """

    def __init__(self, iters: Sequence[int]) -> None:
        self.iters = iters

    def before_train(self, runner):
        loop = runner.train_loop
        run_iter = type(loop).run_iter
        (schedules,) = (hook for hook in runner.hooks if isinstance(hook, ParamSchedulerHook))

        def run(idx, data_batch):
            if loop._iter not in self.iters:
                run_iter(loop, idx, data_batch)
                return
            runner.optim_wrapper._inner_count += 1
            schedules.after_train_iter(runner, idx)
            loop._iter += 1

        loop.run_iter = run


def get_state(runner):
    """Weights, optimizer and averaged weights."""
    averaged = [hook.ema_model.state_dict() for hook in runner.hooks if isinstance(hook, EMAHook)]
    return [runner.bare_model.state_dict(), runner.optim_wrapper.state_dict(), averaged]
