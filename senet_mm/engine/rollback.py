"""Weights and optimizer of a checkpoint, put back into a run that goes on."""

from typing import TYPE_CHECKING

from mmengine.dist import barrier, is_main_process
from mmengine.hooks import EMAHook
from mmengine.runner import CheckpointLoader

from .checkpoints.state import restore_buffers
from .replay import get_groups, get_plan

if TYPE_CHECKING:
    from .runner import Runner


def roll_back(runner: 'Runner', path: str) -> None:
    """Set model, averaged model and optimizer to a checkpoint of the run.

    Position, schedules and learning rates stay as they are: the run goes on with the next batch.
    From the position of the checkpoint it would meet the same batches, and go wrong again.

    Args:
        runner: The runner.
        path: The checkpoint, which may still be being written; all processes read it.
    """
    if is_main_process():
        runner.writer.join()
    barrier()
    checkpoint = CheckpointLoader.load_checkpoint(path, 'cpu', logger='silent')
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):  # the averaged weights stand in the place of the trained
            hook._swap_ema_state_dict(checkpoint)
            hook.ema_model.load_state_dict(checkpoint['ema_state_dict'])
    runner.bare_model.load_state_dict(checkpoint['state_dict'])
    restore_buffers(runner.bare_model, checkpoint)
    groups = get_plan(runner).groups
    runner.optim_wrapper.load_state_dict(checkpoint['optimizer'])
    for group, values in zip(get_groups(runner.optim_wrapper), groups, strict=True):
        group.update(values)
