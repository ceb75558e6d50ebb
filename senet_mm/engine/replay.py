"""Hyperparameters and schedules of a resumed run: those of its config, at the step reached."""

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from mmengine.optim import OptimWrapper, OptimWrapperDict, _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop

from .loops import VALIDATED
from .place import continue_at_place

if TYPE_CHECKING:
    from .runner import Runner

# Attributes of a scheduler that change from step to step; all others follow from its config.
STATE = {
    '_global_step', '_last_value', 'best', 'cooldown_counter', 'last_step', 'num_bad_epochs',
}  # fmt: skip


class Plan(NamedTuple):
    """Hyperparameters of all groups, and attributes of all schedulers."""

    groups: list[dict]
    schedulers: list[dict]


def get_groups(optim_wrapper: OptimWrapper) -> list[dict]:
    """The parameter groups of one optimizer or several."""
    several = isinstance(optim_wrapper, OptimWrapperDict)
    wrappers = optim_wrapper.values() if several else [optim_wrapper]
    return [group for wrapper in wrappers for group in wrapper.param_groups]


def get_schedulers(schedulers: list | dict | None) -> list[_ParamScheduler]:
    """The schedulers of one optimizer or several; none where they are not built."""
    lists = schedulers.values() if isinstance(schedulers, dict) else [schedulers]
    return [
        scheduler
        for schedulers in lists
        if isinstance(schedulers, list)
        for scheduler in schedulers
        if isinstance(scheduler, _ParamScheduler)
    ]


def get_plan(runner: 'Runner') -> Plan:
    """What a runner's optimizers and schedulers have now."""
    return Plan(
        [
            {name: value for name, value in group.items() if name != 'params'}
            for group in get_groups(runner.optim_wrapper)
        ],
        [
            {name: value for name, value in vars(scheduler).items() if name != 'optimizer'}
            for scheduler in get_schedulers(runner.param_schedulers)
        ],
    )


def follow_config(runner: 'Runner', wanted: Plan) -> None:
    """Continue a resumed run by its config, not by the checkpoint's; logs what differs.

    Where nothing differs, the checkpoint's state stays. Otherwise the schedule is run
    from its beginning to the step reached, without training; a schedule that follows the validation
    keeps its state, and a learning rate that it reached is scaled with the initial one.

    Args:
        runner: Resumed from a checkpoint.
        wanted: What it had before, by its config.
    """
    reached = get_plan(runner)
    moved = continue_at_place(runner)
    differences = compare_plans(reached, wanted)
    for line in differences:
        runner.logger.info(f'resumed with another config: {line}')
    if differences or moved:
        groups = get_groups(runner.optim_wrapper)
        schedulers = get_schedulers(runner.param_schedulers)
        for group, values in zip(groups, wanted.groups, strict=True):
            group.update(values)
        for scheduler, values in zip(schedulers, wanted.schedulers, strict=True):
            vars(scheduler).update(values)
        if any(getattr(scheduler, 'need_val_args', False) for scheduler in schedulers):
            keep_state(schedulers, groups, reached)
            if any(map(_missed_last, reached.schedulers, wanted.schedulers)):
                runner.message_hub.update_info(VALIDATED, 0)
        else:
            replay(schedulers, runner.iter, get_epoch_length(runner))
    say_if_complete(runner)


def get_epoch_length(runner: 'Runner') -> int | None:
    """Iterations of an epoch; None where a run does not count in epochs."""
    loop = runner.train_loop
    return len(loop.dataloader) if isinstance(loop, EpochBasedTrainLoop) else None


def compare_plans(reached: Plan, wanted: Plan) -> list[str]:
    """A line for each kind of value that differs: ``lr 0.1 -> 0.05``."""
    scheduled = {values['param_name'] for values in (*reached.schedulers, *wanted.schedulers)}
    lines = set()
    for old, new in zip(reached.groups, wanted.groups, strict=True):
        lines |= _differences(old, new, scheduled)
    if len(reached.schedulers) != len(wanted.schedulers):
        lines.add(f'{len(wanted.schedulers)} schedules for {len(reached.schedulers)}')
    for old, new in zip(reached.schedulers, wanted.schedulers, strict=False):
        lines |= {f'schedule of {new["param_name"]}: {line}' for line in _differences(old, new)}
    return sorted(lines)


def _differences(old: Mapping, new: Mapping, without: Iterable[str] = ()) -> set[str]:
    names = (old.keys() | new.keys()) - STATE - {'base_values', 'verbose', *without}
    return {
        f'{name.removeprefix("initial_")} {old.get(name)} -> {new.get(name)}'
        for name in names
        if old.get(name) != new.get(name)
    }


def replay(schedulers: list[_ParamScheduler], iters: int, epoch_length: int | None) -> None:
    """Step schedulers as a training of ``iters`` iterations does."""
    by_epoch = [scheduler for scheduler in schedulers if scheduler.by_epoch]
    by_iter = [scheduler for scheduler in schedulers if not scheduler.by_epoch]
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', '.*`optimizer.step', UserWarning)
        for i in range(1, iters + 1):
            for scheduler in by_iter:
                scheduler.step()
            for scheduler in by_epoch if epoch_length and i % epoch_length == 0 else ():
                scheduler.step()


def keep_state(schedulers: list[_ParamScheduler], groups: list[dict], reached: Plan) -> None:
    """Give schedulers the state that they had, and groups the scheduled values that they had."""
    for scheduler, values in zip(schedulers, reached.schedulers, strict=False):
        vars(scheduler).update((name, values[name]) for name in STATE & values.keys())
    for name in {scheduler.param_name for scheduler in schedulers}:
        for group, values in zip(groups, reached.groups, strict=True):
            before = values.get(f'initial_{name}', values[name])
            scale = group[f'initial_{name}'] / before if before else 1.0
            group[name] = values[name] * scale


def _missed_last(reached: Mapping, wanted: Mapping) -> bool:
    """Whether a schedule had ended at the last validation, which its longer form follows."""
    follows = 'num_bad_epochs' in reached
    return follows and reached['_global_step'] == reached['end'] < wanted['end']


def say_if_complete(runner: 'Runner') -> None:
    """Log a line where there is nothing left to train."""
    loop = runner.train_loop
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    done, end = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
    if done >= end:
        what = 'epochs' if by_epoch else 'iters'
        runner.logger.info(
            f'nothing is left to train: {done} of {end} {what} are done; a larger '
            f'train_cfg.max_{what} adds some'
        )
