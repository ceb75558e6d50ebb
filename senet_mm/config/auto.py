"""Values that follow from the data set: ``'auto'`` in a config, replaced by a number.

An option or a config that gives another value wins; values that depend on it follow it.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from mmengine.config import Config

from senet_mm.utils.errors import InputError

AUTO = 'auto'

# An epoch has at least so many iterations, if the set has as many images.
LEAST_BATCHES = 3
# Images of the smallest batch: batch norms need two.
LEAST_BATCH = 2
# A training has so many iterations, if its epochs allow it.
ITERATIONS = 1000
LEAST_EPOCHS, MOST_EPOCHS = 20, 100
VALIDATIONS = 20
WARMUP = 20  # of so many parts of the training one
# Averaged weights reach back over one of so many parts of the training.
AVERAGED = 10
MOST_WORKERS = 4
MOST_MOMENTUM, LEAST_MOMENTUM = 0.1, 0.0002


class Size(NamedTuple):
    """What is known of a data set.

    Attributes:
        classes: Number of classes.
        images: Number of training images; 0 where they are not known.
        processes: Number of processes that share them.
    """

    classes: int
    images: int = 0
    processes: int = 1


def _classes(cfg: Mapping, size: Size, owner: Mapping) -> int:
    return size.classes


def _topk(cfg: Mapping, size: Size, owner: Mapping) -> tuple[int, ...]:
    return (1, 5) if size.classes > 5 else (1,)


def _batch_size(cfg: Mapping, size: Size, owner: Mapping) -> int:
    """The largest power of two, up to the recipe's batch, that leaves enough batches."""
    most = (cfg.get('auto_scale_lr') or {}).get('base_batch_size', 32)
    fitting = size.images // (LEAST_BATCHES * size.processes)
    return max(LEAST_BATCH, min(most, 2 ** max(0, fitting.bit_length() - 1)))


def count_iterations(cfg: Mapping, size: Size) -> int:
    """Iterations of an epoch."""
    loader = cfg['train_dataloader']
    if loader.get('num_batch_per_epoch'):
        return loader['num_batch_per_epoch']
    batches = size.images / (loader['batch_size'] * size.processes)
    return max(1, int(batches) if loader.get('drop_last') else math.ceil(batches))


def _max_epochs(cfg: Mapping, size: Size, owner: Mapping) -> int:
    wanted = math.ceil(ITERATIONS / count_iterations(cfg, size))
    return min(max(wanted, LEAST_EPOCHS), MOST_EPOCHS)


def _val_interval(cfg: Mapping, size: Size, owner: Mapping) -> int:
    return max(1, int(cfg['train_cfg']['max_epochs']) // VALIDATIONS)


def _checkpoint_interval(cfg: Mapping, size: Size, owner: Mapping) -> int:
    return int(cfg['train_cfg'].get('val_interval', 1))


def _length(cfg: Mapping, size: Size, owner: Mapping) -> int:
    """The whole training, in the unit of a schedule."""
    epochs = int(cfg['train_cfg']['max_epochs'])
    return epochs if owner.get('by_epoch', True) else epochs * count_iterations(cfg, size)


def _warmup(cfg: Mapping, size: Size, owner: Mapping) -> int:
    return max(2, _length(cfg, size, owner) // WARMUP)  # LinearLR needs a step to end


def _momentum(cfg: Mapping, size: Size, owner: Mapping) -> float:
    iterations = _length(cfg, size, dict(by_epoch=False))
    return round(min(max(AVERAGED / iterations, LEAST_MOMENTUM), MOST_MOMENTUM), 6)


def _num_workers(cfg: Mapping, size: Size, owner: Mapping) -> int:
    """Up to four; a core for each."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    return min(MOST_WORKERS, max(1, own // int(os.environ.get('LOCAL_WORLD_SIZE', 1))))


Rule = Callable[[Mapping, Size, Mapping], Any]
# Path, with * for any part -> the value by config, size and the dict that holds it; a rule may read
# the values of those above it.
BY_CLASSES: dict[str, Rule] = {
    'model.num_classes': _classes,
    'model.head.num_classes': _classes,
    'model.backbone.num_classes': _classes,
    'model.data_preprocessor.num_classes': _classes,
    'data_preprocessor.num_classes': _classes,
    'model.head.topk': _topk,
    '*_evaluator.topk': _topk,
    '*_evaluator.*.topk': _topk,
}
BY_IMAGES: dict[str, Rule] = {
    '*_dataloader.num_workers': _num_workers,
    'train_dataloader.batch_size': _batch_size,
    'train_cfg.max_epochs': _max_epochs,
    'train_cfg.val_interval': _val_interval,
    'default_hooks.checkpoint.interval': _checkpoint_interval,
    'param_scheduler.*end': _warmup,
    'param_scheduler.*T_max': _length,
    'default_hooks.*.momentum': _momentum,
}


def settle(cfg: MutableMapping, size: Size) -> dict[str, Any]:
    """Replace the values that follow from the data set.

    Args:
        cfg: The config, changed in place.
        size: Size of the data set; without images the training stays as it is.

    Returns:
        The new values by their dotted paths.
    """
    found: dict[str, Any] = {}
    for pattern, rule in {**BY_CLASSES, **(BY_IMAGES if size.images else {})}.items():
        for path in find_auto(cfg, pattern):
            owner, key = _find_owner(cfg, path)
            owner[key] = found[path] = rule(cfg, size, owner)
    return found


def settle_as(cfg: MutableMapping, other: Mapping) -> dict[str, Any]:
    """Like :func:`settle`, with the values that another config has at the same places.

    Args:
        cfg: The config, changed in place.
        other: The config of a checkpoint, for which they were found.
    """
    values = dict(_leaves(other))
    found = {path: values[path] for path in find_auto(cfg) if values.get(path, AUTO) != AUTO}
    for path, value in found.items():
        owner, key = _find_owner(cfg, path)
        owner[key] = value
    return found


def find_auto(cfg: Mapping, pattern: str | None = None) -> list[str]:
    """Paths at which a config leaves a value to the data set.

    Args:
        cfg: The config.
        pattern: Of these paths alone.
    """
    patterns = [pattern] if pattern else [*BY_CLASSES, *BY_IMAGES]
    return [
        path
        for path, value in _leaves(cfg)
        if value == AUTO and any(fnmatchcase(path, each) for each in patterns)
    ]


def check_settled(model: Mapping) -> None:
    """Raise an InputError for a network whose number of classes is not known."""
    if paths := find_auto(dict(model=model)):
        raise InputError(
            f'{paths[0]}={AUTO!r} follows from the data set of a training; allowed: num_classes=N '
            'in Python, --cfg-options model.head.num_classes=N, or the config in the work '
            'directory of a training'
        )


def _leaves(value: object, path: str = '') -> Iterator[tuple[str, Any]]:
    """Values that are no dict and no list of dicts, with their paths."""
    if isinstance(value, Mapping | Config):
        for key, item in value.items():
            yield from _leaves(item, f'{path}.{key}' if path else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        for key, item in enumerate(value):
            yield from _leaves(item, f'{path}.{key}')
    elif path:
        yield path, value


def _find_owner(cfg: Any, path: str) -> tuple[Any, str]:
    """The dict that holds the value at a path, and its key there."""
    *parents, last = path.split('.')
    for part in parents:
        cfg = cfg[int(part)] if isinstance(cfg, list | tuple) else cfg[part]
    return cfg, last
