"""Checks before a run: faults that would end it after hours, or leave it without a result."""

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, IterBasedTrainLoop
from torch.utils.data import DataLoader

from senet_mm.datasets.balanced_sampler import BalancedSampler
from senet_mm.datasets.seeding import own_random_numbers
from senet_mm.datasets.subset import length_of
from senet_mm.utils.meta import run_on_meta

from .classes import check_class_numbers
from .dry_batch import check_training_samples
from .dry_evaluation import evaluate_dry, is_checkable
from .replay import get_schedulers

if TYPE_CHECKING:
    from .runner import Runner


def check_loop(loop: BaseLoop) -> None:
    """Raise a ValueError for a loop that never ends, or does nothing."""
    sampler = getattr(loop.dataloader, 'sampler', None)
    sampler = getattr(sampler, 'sampler', sampler)
    trains = isinstance(loop, EpochBasedTrainLoop | IterBasedTrainLoop)
    if isinstance(sampler, BalancedSampler) and not trains:
        raise ValueError(
            'BalancedSampler repeats images, which an evaluation must not; allowed: DefaultSampler '
            'in val_dataloader and test_dataloader'
        )
    endless = isinstance(sampler, InfiniteSampler)
    if endless and not isinstance(loop, IterBasedTrainLoop):
        raise ValueError(
            'InfiniteSampler never ends an epoch; allowed: DefaultSampler, or, in training, '
            'train_cfg=dict(by_epoch=False, max_iters=...)'
        )
    if trains and loop.max_iters < 1:
        raise ValueError('max_epochs or max_iters of train_cfg is 0; allowed: from 1')


def check_run(runner: 'Runner') -> None:
    """Check a run; called after the model is loaded and before the first iteration.

    Raises:
        ValueError: The run would fail later, or a name in the config matches nothing.
    """
    training = runner.is_training
    for loop in (runner._val_loop, runner._test_loop):
        if isinstance(loop, BaseLoop):
            check_loop(loop)
    check_class_numbers(runner)
    if training:
        check_mixed_labels(runner.bare_model)
        check_last_batch(runner)
    if runner.cfg.get('dry_evaluation', True):
        if training:
            check_training_samples(runner)
        for name in ('val', 'test'):
            if is_checkable(getattr(runner, f'_{name}_loop')):
                scores = evaluate_dry(runner, name)
                if training and name == 'val' and scores is not None:
                    check_scores(runner, scores)


def check_mixed_labels(model: torch.nn.Module) -> None:
    """Raise a ValueError for training accuracy on mixed images, which have several classes."""
    preprocessor = getattr(model, 'data_preprocessor', None)
    mixes = getattr(preprocessor, 'batch_augments', None) is not None
    if mixes and getattr(getattr(model, 'head', None), 'cal_acc', False):
        raise ValueError(
            'model.head.cal_acc=True with model.train_cfg.augments: a mixed image has no single '
            'class to be accurate about; allowed: cal_acc=False, validation measures accuracy'
        )


def check_last_batch(runner: 'Runner') -> None:
    """Raise a ValueError for a last batch of one image that batch norm cannot train on."""
    loader, shape = runner.train_dataloader, runner.cfg.get('input_shape')
    if shape is None or not has_single(loader):
        return
    try:
        with own_random_numbers():
            run_on_meta(runner.bare_model, shape, training=True)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        # Other failures on the meta device, such as SyncBN's, say nothing about a real one.
        if 'more than 1 value per channel' in str(error):
            raise ValueError(
                f'the last batch of an epoch has one image ({len(loader.sampler)} in batches of '
                f'{loader.batch_size}), on which a batch norm cannot be trained; allowed: '
                'train_dataloader.drop_last=True, or another batch_size'
            ) from error


def has_single(loader: DataLoader) -> bool:
    """Whether an epoch ends with a batch of one image."""
    size = loader.batch_size
    if size is None or loader.drop_last:
        return False
    return (length_of(loader.sampler) - 1) % size == 0


def check_scores(runner: 'Runner', scores: dict[str, Any]) -> None:
    """Raise a ValueError for a score that the config names and the validation does not compute.

    Args:
        runner: With its hooks and schedules.
        scores: Scores by name, as a validation gives them.
    """
    for scheduler in get_schedulers(runner.param_schedulers):
        if getattr(scheduler, 'need_val_args', False):
            check_score(f'param_scheduler.monitor={scheduler.monitor!r}', scheduler.monitor, scores)
    for hook in runner.hooks:
        if isinstance(hook, EarlyStoppingHook):
            check_score(f'EarlyStoppingHook(monitor={hook.monitor!r})', hook.monitor, scores)
        if isinstance(hook, CheckpointHook) and hook.save_best:
            check_save_best(hook, scores)


def check_save_best(hook: CheckpointHook, scores: dict[str, Any]) -> None:
    """Check the scores by which the best checkpoint is chosen."""
    for name in hook.save_best:
        if name != 'auto':
            check_score(f'save_best={name!r}', name, scores)
            continue
        first = next(iter(scores), 'nothing')
        check_score(f"save_best='auto', which is {first!r},", first, scores)
        try:
            copy.copy(hook)._init_rule(hook.rules, [first])
        except ValueError as error:
            raise ValueError(
                f"save_best='auto' is {first!r}: whether more of it is better is not known; "
                "allowed: rule='greater' or 'less' in default_hooks.checkpoint"
            ) from error


def check_score(given: str, name: str, scores: dict[str, Any]) -> None:
    """Raise a ValueError unless a score is computed, and is a number."""
    numbers = [key for key, value in scores.items() if is_single_number(value)]
    if name not in numbers:
        what = 'is no single number' if name in scores else 'is not computed'
        raise ValueError(f'{given} {what}; allowed: {", ".join(numbers) or "nothing"}')


def is_single_number(value: object) -> bool:
    """Whether a score can be compared with another one."""
    return isinstance(value, (int, float, np.number)) or getattr(value, 'ndim', None) == 0
