"""What a checkpoint holds besides weights, checked before a run that is resumed changes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmengine.hooks import EMAHook

from senet_mm.engine.checkpoints.check import (
    check_remembered,
    check_unfinished,
    suffix_of_checkpoints,
)
from senet_mm.utils.errors import InputError

from .checkpoint import check_fits, report_not_finite
from .kinds import is_count
from .misfit import describe_misfit
from .needed import check_needed
from .optimizer_state import check_optimizer, check_schedules
from .state_dict import under_prefix

if TYPE_CHECKING:
    from senet_mm.engine.runner import Runner


def check_training_state(checkpoint: dict, filename: str, runner: 'Runner') -> dict:
    """Check that a run can be resumed from a checkpoint.

    Args:
        checkpoint: The checkpoint.
        filename: Where it is from, for messages.
        runner: With the optimizer and the schedules of the config.

    Returns:
        The checkpoint without ``meta.config``, a text that mmengine would execute.

    Raises:
        ValueError: It lacks the state of a training, or has one of another kind or shape.
    """
    try:
        check_needed(checkpoint)
        _check_position(checkpoint['meta'])
        check_remembered(checkpoint['message_hub'], suffix_of_checkpoints(runner))
        check_schedules(checkpoint.get('param_schedulers'), runner.param_schedulers)
        check_optimizer(checkpoint['optimizer'], runner.optim_wrapper)
        check_unfinished(checkpoint, runner)
    except ValueError as error:
        raise InputError(
            f'checkpoint {filename} {error}, so that a run cannot be resumed from it; allowed: one '
            'of the run itself, or as weights to start from (load_from)'
        ) from error
    if 'ema_state_dict' in checkpoint:
        hook = runner.find_hook(EMAHook)
        if hook is None:
            raise InputError(
                f'checkpoint {filename} has averaged weights in the place of the trained ones; '
                'allowed: to resume with EMAHook among the custom_hooks, as the run began'
            )
        _check_averaged(checkpoint['ema_state_dict'], hook, runner, filename)
    meta = {key: value for key, value in checkpoint['meta'].items() if key != 'config'}
    return {**checkpoint, 'meta': meta}


def _check_position(meta: dict) -> None:
    """Raise a ValueError for a place in a training that there is not."""
    for name in ('epoch', 'iter'):
        if not is_count(meta[name]):
            raise ValueError(f'has meta.{name}={meta[name]}')


def _check_averaged(state_dict: object, hook: EMAHook, runner: 'Runner', filename: str) -> None:
    """Raise a ValueError for averaged weights that do not fit the model."""
    if not isinstance(state_dict, Mapping):
        raise ValueError(f'checkpoint {filename} has an ema_state_dict that is no dict')
    averaged = under_prefix(state_dict, 'module.')
    counters = {name: value for name, value in state_dict.items() if name[:7] != 'module.'}
    wanted = {n: v for n, v in hook.ema_model.state_dict().items() if n in counters}
    if misfit := describe_misfit(counters, wanted):
        raise InputError(f'checkpoint {filename} has an ema_state_dict that does not fit: {misfit}')
    check_fits(averaged, runner.bare_model, f'{filename}, ema_state_dict,')
    report_not_finite(averaged, f'{filename}, ema_state_dict,')
