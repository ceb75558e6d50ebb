"""The state of an optimizer and of its schedules, compared with those of a config."""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeGuard

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor
from torch.optim import Optimizer

from .kinds import is_alike, is_plain, is_scalar
from .misfit import kind_of, layout_of

# What a schedule reached, and what it multiplies; the rest follows from the config.
REACHED = {
    *('_global_step', '_last_value', 'base_values', 'best', 'by_epoch', 'cooldown_counter'),
    *('last_step', 'num_bad_epochs', 'param_name'),
}


def check_optimizer(saved: Mapping, wrapper: OptimWrapper | OptimWrapperDict | dict) -> None:
    """Compare the state of an optimizer, or of several, with what the config makes.

    Raises:
        ValueError: It is of another optimizer, of other groups, or of parameters of another shape.
    """
    if isinstance(wrapper, OptimWrapperDict):
        for name, own in wrapper.items():
            if not isinstance(part := saved.get(name), Mapping):
                raise ValueError(f'has no optimizer {name}')
            check_optimizer(part, own)
    elif isinstance(wrapper, OptimWrapper):
        _check_one(saved, wrapper.optimizer)
        settings = getattr(wrapper, 'base_param_settings', None)
        _check_values(saved.get('base_param_settings') or {}, settings or {}, 'settings')
        if not is_plain(saved.get('loss_scaler')):
            raise ValueError('has a loss_scaler that is no dict of numbers')


def check_schedules(saved: object, own: Sequence | dict | None) -> None:
    """Compare schedules with those of the config, which may be others.

    Raises:
        ValueError: They are no list of dicts of plain values, or have methods among them.
    """
    if saved is None or own is None:
        return
    if isinstance(own, dict):
        if not isinstance(saved, dict) or own.keys() - saved.keys():
            raise ValueError(f'has param_schedulers without {", ".join(own)}')
        for name, schedules in own.items():
            check_schedules(saved[name], schedules)
        return
    if not isinstance(saved, list) or not all(isinstance(item, dict) for item in saved):
        raise ValueError('has param_schedulers that are no list of dicts')
    for given, schedule in zip(saved, own, strict=False):
        values = vars(schedule)
        for name, value in given.items():
            known = type(name) is str and not hasattr(type(schedule), name)
            if not known or not is_plain(value):
                raise ValueError(f'has param_schedulers with {name} of type {type(value).__name__}')
            if name in REACHED & values.keys() and not is_alike(value, values[name]):
                raise ValueError(f'has param_schedulers with {name}={value!r}')


def _check_one(saved: Mapping, optimizer: Optimizer) -> None:
    groups, states = saved.get('param_groups'), saved.get('state')
    if not isinstance(states, dict) or not _are_groups(groups):
        raise ValueError('has an optimizer without param_groups and state')
    names = {name for group in groups for name in group if not str(name).startswith('initial_')}
    if unknown := sorted(map(str, names - optimizer.param_groups[0].keys())):
        raise ValueError(f'is of another optimizer, with {", ".join(unknown)}')
    own = [group['params'] for group in optimizer.param_groups]
    if [len(group['params']) for group in groups] != [len(params) for params in own]:
        raise ValueError(
            f'has {len(groups)} groups of {sum(len(group["params"]) for group in groups)} '
            f'parameters in its optimizer, the config makes {len(own)} of {sum(map(len, own))}'
        )
    for i, (group, values) in enumerate(zip(groups, optimizer.param_groups, strict=True)):
        _check_values(group, values, f'group {i}')
        if 'lr' not in group:
            raise ValueError(f'has no lr in group {i} of its optimizer')
    keys = [key for group in groups for key in group['params']]
    if len({*keys}) < len(keys) or states.keys() - {*keys}:
        raise ValueError('has an optimizer whose states are not one for each parameter')
    parameters = [parameter for params in own for parameter in params]
    after_step = _states_after_step(optimizer)
    for key, parameter in zip(keys, parameters, strict=True):
        if not isinstance(state := states.get(key, {}), dict):
            raise ValueError(f'has an optimizer with a state of type {type(state).__name__}')
        _check_state(state, key, parameter, after_step.get(id(parameter), {}))


def _are_groups(groups: object) -> TypeGuard[list[dict]]:
    return isinstance(groups, list) and all(
        isinstance(group, dict)
        and isinstance(params := group.get('params'), list)
        and all(type(key) is int for key in params)
        for group in groups
    )


def _check_values(given: object, own: Mapping, where: str) -> None:
    """Raise a ValueError for hyperparameters of other kinds than ours."""
    if not isinstance(given, Mapping):
        raise ValueError(f'has {where} of type {type(given).__name__} in its optimizer')
    for name in own.keys() & given.keys() - {'params'}:
        if not is_alike(given[name], own[name]):
            raise ValueError(f'has {name}={given[name]!r} in {where} of its optimizer')


def _states_after_step(optimizer: Optimizer) -> dict[int, dict]:
    """What a step keeps of each parameter, by its id, on the meta device; empty if not known."""
    twin = copy.copy(optimizer)
    twin.state = defaultdict(dict)
    twin.param_groups = [dict(group) for group in optimizer.param_groups]
    ids: dict[int, int] = {}
    try:
        for group in twin.param_groups:
            group['params'] = [torch.empty_like(p, device='meta') for p in group['params']]
            for own in group['params']:
                own.grad = torch.empty_like(own)
        for group, twins in zip(optimizer.param_groups, twin.param_groups, strict=True):
            ids.update(zip(map(id, twins['params']), map(id, group['params']), strict=True))
        with torch.no_grad():
            twin.step()
    except Exception:  # whatever an optimizer does that needs values
        return {}
    return {ids[id(parameter)]: state for parameter, state in twin.state.items()}


def _check_state(state: dict, key: object, parameter: Tensor, wanted: Mapping) -> None:
    """Raise a ValueError for a state of a parameter that the optimizer cannot go on with.

    A state that the optimizer does not make in its first step may lack axes of the parameter: a
    counter has none, Adafactor keeps sums over one axis.
    """
    where = f'for parameter {key} {tuple(parameter.shape)} in its optimizer'
    if state and (missing := sorted(wanted.keys() - state.keys())):
        raise ValueError(f'is of another optimizer, without {", ".join(missing)} {where}')
    for name, value in state.items():
        own = wanted.get(name)
        if not isinstance(value, Tensor):
            # Older versions of torch have numbers as counters.
            counts = isinstance(own, Tensor) and own.dim() == 0
            if not (own is None or ((counts or is_scalar(own)) and is_scalar(value))):
                raise ValueError(f'has {name} of type {type(value).__name__} {where}')
            continue
        if layout := layout_of(value):
            raise ValueError(f'has {name} {layout} {where}')
        shape = own.shape if isinstance(own, Tensor) else parameter.shape
        fits = value.shape == shape if isinstance(own, Tensor) else _is_part(value.shape, shape)
        if not fits and not (is_scalar(value) and is_scalar(own)):
            raise ValueError(f'has {name} {tuple(value.shape)} {where}')
        if kind_of(value) not in ('float', 'integer'):
            raise ValueError(f'has {name} of type {kind_of(value)} {where}')


def _is_part(shape: Sequence[int], of: Sequence[int]) -> bool:
    """Whether the axes of ``shape`` that are longer than 1 are some of the others, in order."""
    axes = iter(of)
    return all(size in axes for size in shape if size != 1)
