"""What a checkpoint holds, so that a resumed run equals one that was not interrupted."""

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from torch import Tensor, nn

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
    """A copy on the CPU that training cannot change; tensors that share memory still do."""
    return copy.deepcopy(_to_cpu(state))


def _to_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, MutableMapping):
        moved = copy.copy(value)
        for key, item in value.items():
            moved[key] = _to_cpu(item)
        return moved
    if type(value) in (list, tuple):
        return type(value)(map(_to_cpu, value))
    return value


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
