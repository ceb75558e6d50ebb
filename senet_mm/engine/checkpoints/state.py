"""What a checkpoint holds, so that a resumed run equals one that was not interrupted."""

import copy
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer, print_log
from torch import Tensor, nn

# What a reader takes as it is; see `senet_mm.engine.weights.stand_ins`.
LEAVES = (
    *(bool, bytes, float, int, str, type(None), HistoryBuffer),
    *(torch.Size, torch.device, torch.dtype),
)
# Containers, and what they become.
PLAIN: dict[Any, type] = {
    tuple: tuple,
    (set, frozenset): set,
    (list, deque, range): list,
}

if TYPE_CHECKING:
    from senet_mm.engine.runner import Runner


def collect_state(
    runner: 'Runner', meta: dict, save_optimizer: bool = True, save_param_scheduler: bool = True
) -> dict:
    """The state of a run, as views of its tensors; all processes must call it.

    Beside what mmengine saves it has, where there are any: ``hooks``, the state of hooks by class
    name and number; ``gradients``, accumulated for a step that is yet to come; ``rank_buffers``,
    the buffers of each process where they differ.
    """
    state = {
        'meta': meta,
        'state_dict': runner.bare_model.state_dict(),
        'message_hub': runner.message_hub.state_dict(),
    }
    if save_optimizer:
        state['optimizer'] = runner.optim_wrapper.state_dict()
        state |= _get_unfinished(runner)
    if save_param_scheduler and runner.param_schedulers is not None:
        state['param_schedulers'] = _get_schedules(runner.param_schedulers)
    runner.call_hook('before_save_checkpoint', checkpoint=state)
    return state


def restore_state(runner: 'Runner', checkpoint: dict) -> None:
    """Set what mmengine's ``resume`` leaves out; tensors must fit already."""
    states = checkpoint.get('hooks') or {}
    for name, hook in stateful_hooks(runner):
        if name in states:
            hook.load_state_dict(states[name])
    model = runner.bare_model
    gradients = checkpoint.get('gradients') or {}
    for name, parameter in model.named_parameters():
        if name in gradients:
            parameter.grad = gradients[name].to(parameter)
    restore_buffers(model, checkpoint)


def restore_buffers(model: nn.Module, checkpoint: dict) -> None:
    """Set the buffers in which this process differs from the others."""
    buffers = checkpoint.get('rank_buffers') or []
    if len(buffers) == get_world_size():
        model.load_state_dict(buffers[get_rank()], strict=False)
    elif buffers:  # of other processes: their mean, as at the end of an epoch
        model.load_state_dict(_mean_buffers(buffers), strict=False)


def snapshot(state: Mapping) -> dict:
    """A copy on the CPU that training cannot change; tensors that share memory still do.

    It holds tensors and plain data alone, as whoever reads it allows no more. What hooks have added
    beyond that becomes the nearest plain data, or is left out with a warning.
    """
    return copy.deepcopy(_to_cpu(state, ''))


class NotPlainError(Exception):
    """A value that is neither a tensor nor plain data; the message is its class."""


def _to_cpu(value: Any, path: str) -> Any:
    """A value of plain data; raises a NotPlainError for another one."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, Mapping):
        return _mapping_to_cpu(value, path)
    for kinds, plain in PLAIN.items():
        if isinstance(value, kinds):
            return plain(_to_cpu(item, path) for item in value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, bytearray):
        return bytes(value)
    is_objects = isinstance(value, np.ndarray) and value.dtype.hasobject
    if type(value) in LEAVES or (isinstance(value, np.generic | np.ndarray) and not is_objects):
        return value
    raise NotPlainError(type(value).__name__)


def _mapping_to_cpu(value: Mapping, path: str) -> Mapping:
    # A state dict has versions of its modules as an attribute.
    kept = type(value) in (dict, OrderedDict, Counter)
    moved: dict = copy.copy(value) if kept else dict(value)  # type: ignore[arg-type]
    for key, item in value.items():
        try:
            moved[key] = _to_cpu(item, f'{path}.{key}' if path else str(key))
        except NotPlainError as error:
            del moved[key]
            place = f'{path}.{key}' if path else key
            print_log(
                f'checkpoint: {place} is left out, since it holds a {error}; allowed: tensors, '
                'numbers, text, and lists and dicts of them',
                logger='current',
                level=logging.WARNING,
            )
    return moved


def _get_schedules(schedulers: list | dict) -> list | dict:
    if isinstance(schedulers, dict):
        return {name: _get_schedules(own) for name, own in schedulers.items()}
    return [scheduler.state_dict() for scheduler in schedulers]


def _get_unfinished(runner: 'Runner') -> dict:
    """What training has left in hooks, gradients and buffers, for the iterations to come."""
    hooks = {name: hook.state_dict() for name, hook in stateful_hooks(runner)}
    gradients = {
        name: _mean(parameter.grad)
        for name, parameter in runner.bare_model.named_parameters()
        if parameter.grad is not None
    }
    found = dict(
        hooks=hooks, gradients=gradients, rank_buffers=_get_rank_buffers(runner.bare_model)
    )
    return {key: value for key, value in found.items() if value}


def stateful_hooks(runner: 'Runner') -> Iterator[tuple[str, Hook]]:
    """Hooks with ``state_dict`` and ``load_state_dict``, by class; ``Name``, ``Name.1``, ..."""
    counts: Counter[str] = Counter()
    for hook in runner.hooks:
        if hasattr(hook, 'state_dict') and hasattr(hook, 'load_state_dict'):
            name = type(hook).__name__
            yield f'{name}.{counts[name]}' if counts[name] else name, hook
            counts[name] += 1


def _mean(gradient: Tensor) -> Tensor:
    """The mean over processes, which average them only when they step."""
    if get_world_size() == 1:
        return gradient
    total = gradient.clone()
    dist.all_reduce(total)
    return total / get_world_size()


def _mean_buffers(ranks: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of floating point buffers over processes; others stay those of the first."""
    return {
        name: torch.stack([buffers[name] for buffers in ranks]).mean(0)
        for name, first in ranks[0].items()
        if first.is_floating_point()
    }


def _get_rank_buffers(model: nn.Module) -> list[dict[str, Tensor]]:
    """The buffers of each process that differ between them: running statistics within an epoch."""
    if get_world_size() == 1:
        return []
    ranks = all_gather_object({name: b.detach().cpu() for name, b in model.named_buffers()})
    names = [
        name
        for name, buffer in ranks[0].items()
        if not all(torch.equal(buffer, other[name]) for other in ranks)
    ]
    return [{name: buffers[name] for name in names} for buffers in ranks] if names else []
