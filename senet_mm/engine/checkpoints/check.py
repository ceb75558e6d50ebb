"""What a run remembers beside weights and optimizer, checked before anything is set.

A stranger may have written it, and a run removes and reads files whose names it remembers.
"""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mmengine.logging import HistoryBuffer
from torch import Tensor

from senet_mm.engine.class_weight import CLASS_WEIGHTS, are_saved_weights
from senet_mm.engine.finite import Buffers
from senet_mm.engine.hooks.checkpoint_hook import BEST, SAVED
from senet_mm.engine.hooks.class_report_hook import CLASS_REPORT
from senet_mm.engine.hooks.non_finite_hook import NonFiniteHook
from senet_mm.engine.loops import VALIDATED
from senet_mm.engine.weights.kinds import is_count, is_of_kind, is_scalar
from senet_mm.engine.weights.misfit import describe_misfit

from .history import HISTORY
from .state import stateful_hooks

if TYPE_CHECKING:
    from senet_mm.engine.runner import Runner


def suffix_of_checkpoints(runner: 'Runner') -> str:
    """How the names of a run's checkpoints end: ``.pth``."""
    hook = runner.checkpoint_hook
    return Path(hook.filename_tmpl).suffix if hook else '.pth'


def check_remembered(hub: Mapping, suffix: str) -> None:
    """Check the state of a message hub.

    Args:
        hub: With the dicts ``log_scalars``, ``runtime_info`` and ``resumed_keys``.
        suffix: How the names of a run's checkpoints end.

    Raises:
        ValueError: A value is of another kind, or leads out of the work directory.
    """
    for key, history in hub['log_scalars'].items():
        if not isinstance(history, HistoryBuffer):
            raise ValueError(f'its message_hub.log_scalars.{key} is no history')
    for key, resumed in hub['resumed_keys'].items():
        if type(resumed) is not bool:
            raise ValueError(f'has message_hub.resumed_keys.{key}={resumed!r}')
    tests = _tests(suffix)
    for key, value in hub['runtime_info'].items():
        fits = next((fits for name, fits in tests.items() if fnmatchcase(str(key), name)), None)
        if type(key) is not str or (fits and not fits(value)):
            raise ValueError(f'has message_hub.runtime_info.{key}={value!r}')


def _tests(suffix: str) -> dict[str, Callable[[object], bool]]:
    """Names in the message hub, with wildcards -> whether they may have a value."""

    def is_checkpoint(value: object) -> bool:
        return _is_name(value) and str(value).endswith(suffix)

    def is_save(value: object) -> bool:
        if not isinstance(value, list | tuple) or len(value) != 2:
            return False
        return is_checkpoint(value[0]) and _all(is_checkpoint, value[1])

    return {
        **dict.fromkeys(('epoch', 'iter', VALIDATED), is_count),
        'best_score*': lambda value: value is None or is_scalar(value),
        # Of a path the name alone counts, see `relocate`.
        'best_ckpt*': lambda value: value is None or is_checkpoint(_last_part(value)),
        'last_ckpt*': lambda value: value is None or isinstance(value, str),
        'keep_ckpt_ids': lambda value: _all(is_count, value),
        'seconds': is_scalar,
        'past_validations': lambda value: isinstance(value, list),
        SAVED: is_save,
        BEST: lambda value: isinstance(value, str),
        CLASS_REPORT: lambda value: isinstance(value, str),
        CLASS_WEIGHTS: are_saved_weights,
        HISTORY: _is_history,
    }


def _all(test: Callable[[object], bool], value: object) -> bool:
    return isinstance(value, list | tuple) and all(map(test, value))


def _last_part(value: object) -> object:
    return PurePosixPath(value).name if isinstance(value, str) else value


def _is_name(value: object) -> bool:
    """Whether a value is the name of a file, without a folder."""
    return isinstance(value, str) and PurePosixPath(value).name == value and '\0' not in value


def _is_history(value: object) -> bool:
    """Whether a value is a folder below the work directory, a time, and two sizes."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        return False
    where, time, sizes = value
    if not isinstance(where, str) or '\0' in where or not _all(is_count, sizes):
        return False
    folder = PurePosixPath(where)
    return not folder.is_absolute() and '..' not in folder.parts and _is_name(time)


def check_unfinished(checkpoint: Mapping, runner: 'Runner') -> None:
    """Check the states of hooks, accumulated gradients, and buffers of processes.

    Raises:
        ValueError: A name, shape or kind is not the runner's.
    """
    states = checkpoint.get('hooks') or {}
    if not isinstance(states, Mapping):
        raise ValueError(f'has hooks of type {type(states).__name__}')
    model = runner.bare_model
    for name, hook in stateful_hooks(runner):
        if name in states:
            _check_hook(states[name], hook.state_dict(), name)
            if isinstance(hook, NonFiniteHook):
                _check_begun(states[name].get('begun', []), Buffers(model).read())
    _check_part(checkpoint.get('gradients'), dict(model.named_parameters()), 'gradients')
    ranks = checkpoint.get('rank_buffers')
    if not isinstance(ranks, list | None):
        raise ValueError(f'has rank_buffers of type {type(ranks).__name__}')
    for buffers in ranks or []:
        _check_part(buffers, dict(model.named_buffers()), 'rank_buffers')


def _check_hook(given: object, own: Mapping, name: str) -> None:
    if not isinstance(given, Mapping):
        raise ValueError(f'has a state of {name} of type {type(given).__name__}')
    if missing := sorted(own.keys() - given.keys()):
        raise ValueError(f'has a state of {name} without {", ".join(missing)}')
    for key, value in own.items():
        if isinstance(value, Tensor):
            what = describe_misfit({key: given[key]}, {key: value})
        else:
            what = '' if is_of_kind(given[key], value) else f'{key}={given[key]!r}'
        if what:
            raise ValueError(f'has a state of {name} with {what}')


def _check_begun(given: object, buffers: Sequence[Tensor]) -> None:
    """Raise a ValueError for what is no list of steps under way, see :meth:`.Guard.state_dict`.

    Args:
        given: A step for each process, empty where none is under way.
        buffers: The model's.
    """
    own = {str(number): buffer for number, buffer in enumerate(buffers)}
    if not isinstance(given, list | tuple):
        raise ValueError(f'has begun steps of type {type(given).__name__}')
    for step in given:
        if not isinstance(step, Mapping) or (step and step.keys() != {'batches', 'buffers'}):
            raise ValueError('has a begun step without batches and buffers')
        if step and not _all(_is_batch, step['batches']):
            raise ValueError('has a begun step whose batches are no indices and losses')
        if step and not isinstance(step['buffers'], list | tuple):
            raise ValueError('has a begun step whose buffers are no list')
        if step:
            copies = {str(number): copy for number, copy in enumerate(step['buffers'])}
            if misfit := describe_misfit(copies, own):
                raise ValueError(f'has buffers of a begun step that do not fit the model: {misfit}')


def _is_batch(value: object) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    return (value[0] is None or _all(is_count, value[0])) and _all(is_scalar, value[1])


def _check_part(given: object, own: Mapping[str, Tensor], name: str) -> None:
    """Raise a ValueError for tensors that are not some of ours."""
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise ValueError(f'has {name} of type {type(given).__name__}')
    wanted = {key: tensor for key, tensor in own.items() if key in given}
    if misfit := describe_misfit(given, wanted):
        raise ValueError(f'has {name} that do not fit the model: {misfit}')
