"""Checks the kinds of values of a config that no constructor checks."""

import logging
import math
from collections.abc import Callable
from fnmatch import fnmatchcase
from numbers import Real

from senet_mm.utils.arguments import PLAIN
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import is_integer, shorten

from .auto import AUTO


class Kind:
    """A kind of value.

    Args:
        allowed: The kind in words, for messages.
        fits: Whether a value is of the kind.
    """

    def __init__(self, allowed: str, fits: Callable[[object], bool]) -> None:
        self.allowed, self.fits = allowed, fits

    def __or__(self, other: 'Kind') -> 'Kind':
        return Kind(
            f'{self.allowed} or {other.allowed}',
            lambda value: self.fits(value) or other.fits(value),
        )


def _is_finite(value: object) -> bool:
    # A tensor of one element is a learning rate, too.
    is_number = isinstance(value, Real) or getattr(value, 'ndim', None) == 0
    return is_number and not isinstance(value, bool) and math.isfinite(value)  # type: ignore[arg-type]


def integer(least: int, most: float = math.inf) -> Kind:
    """Whole numbers in a range."""
    until = '' if most == math.inf else f' to {most}'
    return Kind(
        f'a whole number from {least}{until}',
        lambda value: is_integer(value) and least <= value <= most,
    )


def count(least: int) -> Kind:
    """Whole numbers from a least one, also written as floats (``1e5``), as mmengine takes them."""
    return Kind(
        f'a whole number from {least}',
        lambda value: _is_finite(value) and value == int(value) and value >= least,  # type: ignore[call-overload, operator]
    )


def number(least: float) -> Kind:
    """Finite numbers from a least one."""
    return Kind(
        f'a finite number from {least}',
        lambda value: _is_finite(value) and value >= least,  # type: ignore[operator]
    )


def one_of(*allowed: object) -> Kind:
    """Any of some values."""
    return Kind(
        ', '.join(map(repr, allowed)),
        lambda value: any(type(value) is type(one) and value == one for one in allowed),
    )


def list_of(kind: Kind) -> Kind:
    """Lists and tuples of a kind, and not empty."""
    return Kind(
        f'a list, each {kind.allowed}',
        lambda value: (
            isinstance(value, list | tuple) and len(value) > 0 and all(map(kind.fits, value))
        ),
    )


SIZED = one_of(AUTO)  # by the data set
NONE = Kind('None', lambda value: value is None)
BOOL = Kind('True or False', lambda value: isinstance(value, bool))
FACTOR = Kind(
    'a number above 0, up to 1',
    lambda value: _is_finite(value) and 0 < value <= 1,  # type: ignore[operator]
)
POSITIVE = Kind(
    'a number above 0',
    lambda value: _is_finite(value) and value > 0,  # type: ignore[operator]
)
TEXT = Kind('text', lambda value: isinstance(value, str) and value != '')
LINE = Kind(
    'a text of at most 1000 characters',
    lambda value: isinstance(value, str) and 0 < len(value) <= 1000,
)
DICT = Kind('a dict', lambda value: isinstance(value, dict) or not isinstance(value, PLAIN))
DICTS = Kind(
    'a list of dicts',
    lambda value: isinstance(value, list | tuple) and all(map(DICT.fits, value)),
)
MEBIBYTES = Kind(
    'a number from 0.001 to 1048576',
    lambda value: _is_finite(value) and 0.001 <= value <= 2**20,  # type: ignore[operator]
)
SHAPE = Kind(
    'three whole numbers from 1: channels, height, width',
    lambda value: list_of(integer(1)).fits(value) and len(value) == 3,  # type: ignore[arg-type]
)

# Path, with * for one part -> the kind of its value.
KINDS: dict[str, Kind] = {
    'activation_checkpointing': NONE | TEXT | list_of(TEXT),
    'auto_scale_lr': NONE | DICT,
    'auto_scale_lr.base_batch_size': integer(1),
    'auto_scale_lr.enable': BOOL,
    'cfg': DICT,
    'channels_last': BOOL | one_of('fast'),
    'compile': NONE | BOOL | DICT,
    'custom_hooks': NONE | DICTS,
    'custom_imports': NONE | DICT,
    'custom_imports.allow_failed_imports': BOOL,
    'custom_imports.imports': TEXT | Kind('[]', lambda value: value == []) | list_of(TEXT),
    'data_preprocessor': NONE | DICT,
    'data_preprocessor.mean': NONE | list_of(Kind('a finite number', _is_finite)),
    'data_preprocessor.num_classes': NONE | integer(1) | SIZED,
    'data_preprocessor.std': NONE | list_of(POSITIVE),
    'data_preprocessor.to_rgb': BOOL,
    'default_hooks': NONE | DICT,
    'default_hooks.*': NONE | DICT,
    'default_scope': NONE | TEXT,
    'dry_evaluation': BOOL,
    'env_cfg': DICT,
    'env_cfg.cudnn_benchmark': BOOL,
    'env_cfg.dist_cfg': DICT,
    'env_cfg.keep_freed_memory': NONE | BOOL,
    'env_cfg.mp_cfg': NONE | DICT,
    'env_cfg.mp_cfg.mp_start_method': NONE | one_of('fork', 'spawn', 'forkserver'),
    'env_cfg.mp_cfg.opencv_num_threads': integer(-1, 2**31 - 1),
    'env_cfg.num_threads': NONE | integer(1, 2**15),
    'env_cfg.tf32': BOOL,
    'experiment_name': NONE | TEXT | integer(0),
    'find_unused_parameters': BOOL,
    'fuse_tails': NONE | DICT,
    'fuse_tails.lean': BOOL,
    'in_channels': NONE | integer(1),
    'input_shape': SHAPE,
    'keep_resolution': BOOL,
    'launcher': one_of('none', 'pytorch', 'slurm', 'mpi'),
    'license': NONE | LINE,
    'load_from': NONE | TEXT,
    'log_level': one_of(*logging.getLevelNamesMapping()) | integer(0),
    'log_processor': NONE | DICT,
    'model': DICT,
    'model.backbone': DICT,
    'model.head': NONE | DICT,
    'model.neck': NONE | DICT | DICTS,
    'model.se': NONE | DICT,
    'model_wrapper_cfg': NONE | DICT,
    'model_wrapper_cfg.batched_grad_copy': BOOL,
    'model_wrapper_cfg.broadcast_buffers': BOOL,
    'model_wrapper_cfg.bucket_cap_mb': NONE | MEBIBYTES,
    'model_wrapper_cfg.bucket_cap_mb_list': NONE | list_of(MEBIBYTES),
    'model_wrapper_cfg.check_reduction': one_of(False),  # without effect in torch
    'model_wrapper_cfg.compression': NONE | one_of('bf16', 'fp16'),
    # Objects, and what differs between processes.
    'model_wrapper_cfg.delay_all_reduce_named_params': NONE,
    'model_wrapper_cfg.detect_anomalous_params': BOOL,
    'model_wrapper_cfg.device_ids': NONE,
    'model_wrapper_cfg.device_mesh': NONE,
    'model_wrapper_cfg.dim': one_of(0),
    'model_wrapper_cfg.find_unused_parameters': BOOL,
    'model_wrapper_cfg.forward_sync_buffers': NONE | BOOL,
    'model_wrapper_cfg.gradient_as_bucket_view': BOOL,
    'model_wrapper_cfg.init_sync': BOOL,
    'model_wrapper_cfg.mixed_precision': NONE,
    'model_wrapper_cfg.output_device': NONE,
    'model_wrapper_cfg.param_to_hook_all_reduce': NONE,
    'model_wrapper_cfg.process_group': NONE,
    'model_wrapper_cfg.skip_all_reduce_unused_params': BOOL,
    'model_wrapper_cfg.static_graph': BOOL,
    'optim_wrapper': NONE | DICT,
    'optim_wrapper.accumulative_counts': integer(1),
    'optim_wrapper.clip_grad': NONE | DICT,
    'optim_wrapper.optimizer': DICT,
    'optim_wrapper.optimizer.lr': number(0),
    'optim_wrapper.optimizer.momentum': number(0),
    'optim_wrapper.optimizer.weight_decay': number(0),
    'optim_wrapper.paramwise_cfg': NONE | DICT,
    'optim_wrapper.paramwise_cfg.layer_decay_rate': FACTOR,
    'param_scheduler': NONE | DICT | DICTS,
    'randomness': DICT,
    'randomness.deterministic': BOOL,
    'randomness.diff_rank_seed': BOOL,
    'randomness.seed': NONE | integer(0, 2**32 - 1),
    'resume': NONE | BOOL | one_of('auto'),
    'runner_type': NONE | TEXT,
    'source': NONE | LINE,
    'test_cfg': NONE | DICT,
    'test_cfg.fp16': BOOL,
    'tracker': NONE | TEXT | list_of(TEXT),
    'train_cfg': NONE | DICT,
    'train_cfg.by_epoch': BOOL,
    'train_cfg.max_epochs': count(0) | SIZED,
    'train_cfg.max_iters': count(0),
    'train_cfg.val_begin': count(0),
    'train_cfg.val_interval': count(1) | SIZED,
    'val_cfg': NONE | DICT,
    'val_cfg.fp16': BOOL,
    'visualizer': NONE | DICT,
    'work_dir': NONE | TEXT,
}
_LOADER = {
    '': NONE | DICT,
    '.batch_size': NONE | integer(1),
    '.collate_fn': DICT,
    '.dataset': DICT,
    '.dataset.pipeline': DICTS,
    '.drop_last': BOOL,
    '.num_batch_per_epoch': NONE | integer(1),
    '.num_workers': integer(0) | SIZED,
    '.persistent_workers': BOOL,
    '.pin_memory': BOOL,
    '.prefetch_factor': NONE | integer(1),
    '.sampler': NONE | DICT,
    '.sampler.round_up': BOOL,
    '.sampler.shuffle': BOOL,
    '.timeout': number(0),
}
for _split in ('train', 'val', 'test'):
    KINDS |= {f'{_split}_dataloader{key}': kind for key, kind in _LOADER.items()}
KINDS['train_dataloader.batch_size'] |= SIZED
for _split in ('val', 'test'):
    KINDS[f'{_split}_evaluator'] = NONE | DICT | DICTS


def check_values(values: dict) -> None:
    """Raise an InputError for a value of a kind that nobody can use, with its path.

    Args:
        values: A config as plain dicts.
    """
    for pattern, kind in KINDS.items():
        for path, value in _find(values, pattern.split('.')):
            if isinstance(value, PLAIN) and not kind.fits(value):
                raise InputError(f'{path}={shorten(repr(value))}; allowed: {kind.allowed}')


def check_type(path: str, mapping: dict) -> None:
    """Raise an InputError for a ``type`` that names nothing."""
    kind = mapping.get('type')
    if kind is not None and isinstance(kind, PLAIN) and not TEXT.fits(kind):
        raise InputError(f'{path}.type={shorten(repr(kind))}; allowed: a name')


def _find(value: object, pattern: list[str], path: str = '') -> list[tuple[str, object]]:
    """Values below nested dicts, with their paths."""
    if not pattern:
        return [(path, value)]
    if not isinstance(value, dict):
        return []
    found = []
    for key in [key for key in value if fnmatchcase(str(key), pattern[0])]:
        found += _find(value[key], pattern[1:], f'{path}.{key}' if path else str(key))
    return found
