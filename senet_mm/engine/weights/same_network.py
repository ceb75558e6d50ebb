"""Whether two configs are of the same network."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from senet_mm.config.text import comparable
from senet_mm.models.recalibration import insert_se
from senet_mm.registry import MODELS

# Keys that change neither tensors nor outputs: training, initialisation, speed.
IRRELEVANT = {
    'backward_mode', 'cal_acc', 'class_weight', 'data_preprocessor', 'drop_path_rate', 'drop_rate',
    'dropout', 'forward_mode', 'frozen_stages', 'init_cfg', 'label_smooth', 'loss', 'norm_eval',
    'pretrained', 'requires_grad', 'topk', 'train_cfg', 'with_cp', 'zero_init_residual',
}  # fmt: skip
SYNCED = {'SyncBN': 'BN', 'MMSyncBN': 'BN', 'naiveSyncBN': 'BN'}
# Arguments of a function, in a config without `type`.
FUNCTIONS = {'se': insert_se}
ABSENT = object()


class Difference(NamedTuple):
    """A key in which two configs differ; ``ABSENT`` where one does not have it."""

    key: str
    given: object
    other: object


def compare_networks(
    given: Mapping, other: Mapping, scopes: tuple[str, str] = ('senet_mm', 'senet_mm')
) -> list[Difference]:
    """Lists the keys in which two values of ``model`` describe different networks.

    A key that one of them leaves out has the default of the class. Nothing is built or imported:
    a class is looked up where it is registered.

    Args:
        given: The model of a config.
        other: Another one, which may be a stranger's.
        scopes: Default scopes of both.
    """
    return list(_compare('model', comparable(given), comparable(other), scopes))


def _compare(
    path: str, given: object, other: object, scopes: tuple[str, str]
) -> Iterator[Difference]:
    if not (isinstance(given, dict) and isinstance(other, dict)):
        if given != other:
            yield Difference(path, given, other)
        return
    kinds = [
        _find(part.get('type'), scope) for part, scope in zip((given, other), scopes, strict=True)
    ]
    if not _are_one(*kinds):
        ours, theirs = (
            _name(part.get('type', ABSENT), scope)
            for part, scope in zip((given, other), scopes, strict=True)
        )
        yield Difference(f'{path}.type', ours, theirs)
        return
    key = path.rpartition('.')[2]
    defaults = _defaults(kinds[0] or FUNCTIONS.get(key))
    # A class that has defaults within an argument writes them out.
    write_out = getattr(kinds[0], 'write_out', dict)
    sides = [
        {name: comparable(value) for name, value in write_out({**defaults, **part}).items()}
        for part in (given, other)
    ]
    for name in sorted((sides[0].keys() | sides[1].keys()) - IRRELEVANT - {'type'}, key=str):
        ours, theirs = (side.get(name, ABSENT) for side in sides)
        yield from _compare(f'{path}.{name}', ours, theirs, scopes)


def _name(kind: object, scope: str) -> object:
    """A ``type`` as a config in our scope has it: ``mmpretrain.ResNet``."""
    is_foreign = isinstance(kind, str) and '.' not in kind and scope != 'senet_mm'
    return f'{scope}.{kind}' if is_foreign else kind


def _find(kind: object, scope: str) -> object:
    """The class behind a ``type``: in its scope or those above; the name where there is none."""
    if not isinstance(kind, str):
        return kind
    prefix, _, name = SYNCED.get(kind, kind).rpartition('.')
    registry, reached = MODELS, False
    while registry is not None:
        reached = reached or registry.scope == (prefix or scope)
        if reached and name in registry.module_dict:
            return registry.module_dict[name]
        registry = registry.parent
    return kind


def _are_one(kind: object, other: object) -> bool:
    """Whether classes are equal, or one is the other of its name extended, as ours are."""
    if not (inspect.isclass(kind) and inspect.isclass(other)):
        return kind == other
    related = issubclass(kind, other) or issubclass(other, kind)
    return kind is other or (kind.__name__ == other.__name__ and related)


@cache
def _defaults(kind: Callable | None) -> dict[str, object]:
    """Defaults of the arguments of a function or a class, those of its parents included."""
    callables = (
        [getattr(cls, '__init__', None) for cls in reversed(kind.__mro__)]
        if inspect.isclass(kind)
        else [kind]
    )
    parameters: dict[str, inspect.Parameter] = {}
    for function in callables:
        if inspect.isfunction(function):
            parameters |= inspect.signature(function).parameters
    return {
        name: comparable(parameter.default)
        for name, parameter in parameters.items()
        if parameter.default is not parameter.empty
    }
