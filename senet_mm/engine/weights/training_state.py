"""What a checkpoint holds besides weights, checked before a run that is resumed changes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeGuard

from mmengine.hooks import EMAHook
from mmengine.logging import HistoryBuffer
from torch import Tensor

from .checkpoint import check_fits
from .state_dict import under_prefix

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from senet_mm.engine.runner import Runner

# Where -> type of what a run is resumed from.
NEEDED = {
    ('meta', 'epoch'): int,
    ('meta', 'iter'): int,
    ('message_hub', 'log_scalars'): dict,
    ('message_hub', 'resumed_keys'): dict,
    ('message_hub', 'runtime_info'): dict,
    ('optimizer',): dict,
}


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
        for key, history in checkpoint['message_hub']['log_scalars'].items():
            if not isinstance(history, HistoryBuffer):
                raise ValueError(f'its message_hub.log_scalars.{key} is no history')
        _check_schedules(checkpoint.get('param_schedulers'), runner.param_schedulers)
        # None for a wrapper of several, and for one that is not built yet.
        if optimizer := getattr(runner.optim_wrapper, 'optimizer', None):
            _check_optimizer(checkpoint['optimizer'], optimizer)
    except ValueError as error:
        raise ValueError(
            f'checkpoint {filename} {error}, so that a run cannot be resumed from it; allowed: one '
            'of the run itself, or as weights to start from (load_from)'
        ) from error
    if 'ema_state_dict' in checkpoint:
        if not any(isinstance(hook, EMAHook) for hook in runner.hooks):
            raise ValueError(
                f'checkpoint {filename} has averaged weights in the place of the trained ones; '
                'allowed: to resume with EMAHook among the custom_hooks, as the run began'
            )
        _check_averaged(checkpoint['ema_state_dict'], runner, filename)
    meta = {key: value for key, value in checkpoint['meta'].items() if key != 'config'}
    return {**checkpoint, 'meta': meta}


def check_needed(checkpoint: object) -> None:
    """Raise a ValueError for what is missing in a checkpoint or of another type."""
    missing = []
    for place, kind in NEEDED.items():
        value: object = checkpoint
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        if value is None:
            missing.append('.'.join(place))
        elif type(value) is not kind and not (kind is dict and isinstance(value, dict)):
            raise ValueError(f'has {".".join(place)} of type {type(value).__name__}')
    if missing:
        raise ValueError(f'has no {", ".join(missing)}')


def _check_schedules(saved: object, own: Sequence | dict | None) -> None:
    """Raise a ValueError for schedules that are no list of dicts; their values follow from it."""
    if isinstance(own, dict) or saved is None:
        return
    if not isinstance(saved, list) or not all(isinstance(item, dict) for item in saved):
        raise ValueError('has param_schedulers that are no list of dicts')


def _check_optimizer(saved: dict, optimizer: 'Optimizer') -> None:
    """Raise a ValueError for the state of other groups or of parameters of another shape."""
    groups, states = saved.get('param_groups'), saved.get('state')
    if not isinstance(states, dict) or not _are_groups(groups):
        raise ValueError('has an optimizer without param_groups and state')
    known = {name for name in groups[0] if not name.startswith('initial_')} if groups else set()
    if unknown := sorted(known - optimizer.param_groups[0].keys()):
        raise ValueError(f'is of another optimizer, with {", ".join(unknown)}')
    own = [group['params'] for group in optimizer.param_groups]
    if [len(group['params']) for group in groups] != [len(params) for params in own]:
        raise ValueError(
            f'has {len(groups)} groups of {sum(len(group["params"]) for group in groups)} '
            f'parameters in its optimizer, the config makes {len(own)} of {sum(map(len, own))}'
        )
    parameters = [parameter for params in own for parameter in params]
    keys = [key for group in groups for key in group['params']]
    for key, parameter in zip(keys, parameters, strict=True):
        state = states.get(key, {})
        if not isinstance(state, dict):
            raise ValueError(f'has an optimizer with a state of type {type(state).__name__}')
        _check_state(state, key, parameter)


def _are_groups(groups: object) -> TypeGuard[list[dict]]:
    return isinstance(groups, list) and all(
        isinstance(group, dict) and isinstance(group.get('params'), list) for group in groups
    )


def _check_state(state: dict, key: object, parameter: Tensor) -> None:
    """Raise a ValueError for a state of a parameter that has not its shape.

    A state may lack axes of the parameter: a counter has none, Adafactor keeps sums over one axis.
    """
    for name, value in state.items():
        if isinstance(value, Tensor) and not _is_part(value.shape, parameter.shape):
            raise ValueError(
                f'has {name} {tuple(value.shape)} for parameter {key} {tuple(parameter.shape)} in '
                'its optimizer'
            )


def _is_part(shape: Sequence[int], of: Sequence[int]) -> bool:
    """Whether the axes of ``shape`` that are longer than 1 are some of the others, in order."""
    axes = iter(of)
    return all(size in axes for size in shape if size != 1)


def _check_averaged(state_dict: object, runner: 'Runner', filename: str) -> None:
    """Raise a ValueError for averaged weights that do not fit the model."""
    if not isinstance(state_dict, Mapping):
        raise ValueError(f'checkpoint {filename} has an ema_state_dict that is no dict')
    averaged = under_prefix(state_dict, 'module.')  # beside it: the counter of the steps
    check_fits(averaged, runner.bare_model, f'{filename}, ema_state_dict,')
