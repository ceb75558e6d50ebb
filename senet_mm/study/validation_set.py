"""The validation set of a config that may be a stranger's: it opens local files alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope

from senet_mm.engine.data_loader import build_data_loader
from senet_mm.engine.weights.preprocessing import get_pipeline
from senet_mm.registry import DATASETS
from senet_mm.utils.building import find_registered
from senet_mm.utils.errors import InputError

# Data sets of ours that read pictures, lists and arrays of a folder, and unpickle nothing.
LOCAL = {
    'CustomDataset', 'Digits', 'FolderDataset', 'ImageNet', 'ImageNet21k', 'Places365', 'Scenes',
    'ShardedImageNet',
}  # fmt: skip
# mmpretrain's reader of these unpickles files whose hashes are known, and would download them.
PICKLED = {'CIFAR10', 'CIFAR100'}

BATCH = 64


def open_validation(cfg: Config, shuffle: bool = False) -> Any:
    """The loader of the validation, in this process.

    Args:
        cfg: As for :func:`find_dataset`.
        shuffle: Draw the images in a random order, the same each time.

    Raises:
        InputError: There is none, or its data set may not be built from a file alone.
    """
    with DefaultScope.overwrite_default_scope('senet_mm'):
        return build_data_loader(
            dict(
                dataset=find_dataset(cfg), batch_size=BATCH, num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=shuffle, round_up=False, seed=0),
            )
        )  # fmt: skip


def find_dataset(cfg: Config) -> dict:
    """The data set of the validation, else of the test, to be built.

    Args:
        cfg: A config whose pipelines are checked, as that of :func:`senet_mm.apis.get_model` is.

    Raises:
        InputError: There is none, or it does more than to read local files.
    """
    for loader in ('val_dataloader', 'test_dataloader'):
        dataset = (cfg.get(loader) or {}).get('dataset')
        if isinstance(dataset, Mapping):
            return _check(dict(dataset), f'{loader}.dataset', get_pipeline(cfg, loader) is not None)
    raise InputError('the config has no validation set')


def _check(dataset: dict, path: str, is_checked: bool) -> dict:
    """Raise an InputError for what reads more than local files."""
    name = dataset.get('type')
    found = find_registered(name, DATASETS)
    module = getattr(found, '__module__', '')
    kind = getattr(found, '__name__', name)
    if not module.startswith('senet_mm.') or kind not in LOCAL | PICKLED or not is_checked:
        allowed = ', '.join(sorted(LOCAL | PICKLED))
        raise InputError(
            f'{path}.type={name!r:.80} is not read from a checkpoint; allowed: {allowed}'
        )
    for text in _texts(dataset):
        if '://' in text or text in ('backend_args', 'file_client_args'):
            raise InputError(f'{path} has {text!r:.80}; allowed: local files')
    return dict(dataset, download=False) if kind in PICKLED else dataset


def _texts(value: object) -> Iterator[str]:
    """All texts in a value, but names of keys whose value is None."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if item is not None:
                yield str(key)
                yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
