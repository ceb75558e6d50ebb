"""The validation set of a config that may be a stranger's: it opens local files alone."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch.utils.data import Dataset

from senet_mm.engine.data_loader import build_data_loader, build_dataset
from senet_mm.engine.weights.preprocessing import get_pipeline
from senet_mm.registry import DATASETS
from senet_mm.utils.building import find_registered
from senet_mm.utils.errors import InputError, UserError

from .places import Places

# Data sets of ours that read pictures, lists and arrays of a folder, and unpickle nothing.
LOCAL = {
    'CustomDataset', 'Digits', 'FolderDataset', 'ImageNet', 'ImageNet21k', 'Places365', 'Scenes',
    'ShardedImageNet',
}  # fmt: skip
# mmpretrain's reader of these unpickles files whose hashes are known, and would download them.
PICKLED = {'CIFAR10', 'CIFAR100'}
SETS = {'val_dataloader': 'validation set', 'test_dataloader': 'test set'}
# Keys whose paths are from data_root; others are from the current folder, or by the data set.
FROM_ROOT = ('ann_file', 'data_prefix')
# Texts in these are no paths; names of classes are not, where they are listed.
NO_PATHS = ('type', '_scope_', 'pipeline')
CLASSES = ('classes', 'class_folders')
# Words without a slash in these are no paths.
WORDS = ('split', 'size')

BATCH = 64


class FoundDataset(NamedTuple):
    """The data set on which a network is evaluated.

    Attributes:
        config: To be built.
        key: Where it is in the config.
        name: ``validation set`` or ``test set``.
        has_lists: Whether it names files whose lines would be in messages on them.
    """

    config: dict
    key: str
    name: str
    has_lists: bool


def open_validation(cfg: Config, places: Places | None = None, shuffle: bool = False) -> Any:
    """The loader of the validation, in this process.

    Args:
        cfg: As for :func:`find_dataset`.
        places: As for :func:`find_dataset`.
        shuffle: Draw the images in a random order, the same each time.

    Raises:
        InputError: See :func:`find_dataset`; or a link in its folder leads out of ``places``.
    """
    with DefaultScope.overwrite_default_scope('senet_mm'):
        return build_data_loader(
            dict(
                dataset=_build(find_dataset(cfg, places), places), batch_size=BATCH, num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=shuffle, round_up=False, seed=0),
            )
        )  # fmt: skip


def find_dataset(cfg: Config, places: Places | None = None) -> FoundDataset:
    """The data set of the validation, else of the test.

    Args:
        cfg: A config whose pipelines are checked, as that of :func:`senet_mm.apis.get_model` is.
        places: Where it may be; anywhere by default, for a config of the user.

    Raises:
        InputError: There is none, it does more than to read local files, or is elsewhere.
    """
    for loader, name in SETS.items():
        dataset = (cfg.get(loader) or {}).get('dataset')
        if isinstance(dataset, Mapping):
            key = f'{loader}.dataset'
            config = _check(dict(dataset), key, get_pipeline(cfg, loader) is not None)
            has_lists = _place(config, key, places) if places else False
            return FoundDataset(config, key, name, has_lists)
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


def _place(dataset: dict, key: str, places: Places) -> bool:
    """Set ``data_root`` to where the data set is; returns whether it names files of lines.

    Raises:
        InputError: The data set, or a file that it names, is not in one of the places.
    """
    root = dataset.get('data_root')
    if isinstance(root, str) and root:
        root = dataset['data_root'] = places.find(root, f'{key}.data_root')
        _check_links(root, places)
    has_lists = False
    for name, text in _named_texts(dataset):
        places_of = [root or ''] if name in FROM_ROOT else ['', root or '']
        for path in {os.path.join(each, os.path.expanduser(text)) for each in places_of}:
            places.check(path, f'{key}.{name}={text!r:.80}')
            has_lists = has_lists or (os.path.isfile(path) and not places.is_given(path))
    return has_lists


def _named_texts(dataset: Mapping) -> Iterator[tuple[str, str]]:
    """Each text that may be a path, with the key at the top of the data set."""
    for key, value in dataset.items():
        if key in NO_PATHS or key == 'data_root':
            continue
        if key == 'metainfo' and isinstance(value, Mapping):
            yield from _named_texts(value)
        elif key not in CLASSES or isinstance(value, str):
            # Keys of a dict are no paths; that they are looked at does no harm.
            texts = (text for text in _texts(value) if key not in WORDS or '/' in text)
            yield from ((key, text) for text in texts)


def _build(found: FoundDataset, places: Places | None) -> Dataset:
    """The data set, none of whose pictures is elsewhere."""
    try:
        dataset = build_dataset(found.config)
    except (UserError, ValueError) as error:
        if not found.has_lists:
            raise
        # A message would have lines of a file that a stranger's config names.
        raise InputError(
            f'{found.key} cannot be read ({type(error).__name__}); --data-root DIR, the folder of '
            'its lists, says why'
        ) from None
    if places:
        _check_images(dataset, places)
    return dataset


def _check_links(folder: str, places: Places) -> None:
    """Raise an InputError for a link in a folder that leads out, as an annotation file may."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                places.check(entry.path, 'a data set')


def _check_images(dataset: Any, places: Places) -> None:
    """Raise an InputError for a picture that is elsewhere, by a link."""
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        path = info.get('shard') or info.get('img_path')
        if 'img' not in info and path and not places.has(path):
            # Below the link, the names themselves may be private.
            root = getattr(dataset, 'data_root', '') or os.path.dirname(path)
            raise InputError(f'a data set is not read: {places.describe(root)}')
