"""Fits a config to its data set or to a checkpoint: the values that it leaves to them."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config
from mmengine.dist import get_world_size, is_distributed, is_main_process
from mmengine.registry import DefaultScope

from senet_mm.config.auto import LEAST_BATCH, Size, find_auto, settle, settle_as
from senet_mm.config.keys import walk
from senet_mm.config.values import check_values, integer
from senet_mm.datasets.alignment import parts_of
from senet_mm.datasets.classes import get_names
from senet_mm.datasets.folder import FolderDataset
from senet_mm.datasets.split import SPLIT_FILE, write_split
from senet_mm.datasets.subset import length_of
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import shorten

from .data_loader import build_dataset
from .resume import get_checkpoint_folder
from .weights.origin import Origin

if TYPE_CHECKING:
    from .runner import Runner

# That a checkpoint may ask for; ImageNet has 21,841.
MAX_CLASSES = 100_000
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def fit_to_data(cfg: Config) -> list[str]:
    """Replace what a config leaves to its training set, which is listed once more for it.

    Args:
        cfg: The config, changed in place.

    Returns:
        A line for the log, if there was anything.

    Raises:
        ValueError: The data set cannot be built, or has no names of classes.
    """
    if not find_auto(cfg):
        return []
    dataset = build_quietly(cfg['train_dataloader']['dataset'])
    classes = get_names(getattr(dataset, 'metainfo', None), 'classes')
    if not classes:
        raise InputError(
            f'{find_auto(cfg)[0]}: {type(dataset).__name__} has no names of classes; allowed: a '
            'number, or metainfo=dict(classes=[...])'
        )
    images = length_of(dataset)
    size = Size(len(classes), images, _count_processes(cfg))
    _check_enough(cfg, size)
    found = settle(cfg, size)
    for part in parts_of(dataset):
        _pin(cfg, getattr(part, 'pins', {}), LOADERS[:2])  # a test may be of other weights
    return [f'{images} training images in {len(classes)} classes: {_as_options(found)}']


def _check_enough(cfg: Config, size: Size) -> None:
    """Raise an InputError for fewer pictures than fill the smallest batch that a rule gives."""
    each = -(-size.images // size.processes)
    if find_auto(cfg, 'train_dataloader.batch_size') and each < LEAST_BATCH:
        raise InputError(
            f'{size.images} training images are too few for {size.processes} processes: each '
            f'needs {LEAST_BATCH}; allowed: more images, or fewer processes'
        )


def fit_to_checkpoint(cfg: Config, origin: Origin) -> list[str]:
    """Replace what a config leaves to its data set by what it was in the training of weights.

    Pictures are split as there: by the file beside the checkpoint, if it is there.

    Args:
        cfg: The config, changed in place.
        origin: Where the weights are from.

    Returns:
        A line for the log, if there was anything.

    Raises:
        InputError: The checkpoint, which may be a stranger's, has a value that cannot be.
    """
    found = settle_as(cfg, origin.config)
    if found:
        _check_found(cfg, found, origin.filename)
    beside = Path(origin.filename).parent / SPLIT_FILE
    pins = {
        name: value
        for dataset in _find_folders(origin.config, LOADERS)
        for name, value in dataset.items()
        if name == 'split_digest'
    }
    if pins and beside.is_file():
        pins['split_file'] = str(beside)
    _pin(cfg, pins)
    network = {path: value for path, value in found.items() if path.startswith('model.')}
    return [f'as checkpoint {origin.filename} has it: {_as_options(network)}'] if network else []


def _check_found(cfg: Config, found: Mapping, filename: str) -> None:
    """Raise an InputError for values that are none, or of a network that no memory holds."""
    allowed = integer(1, MAX_CLASSES)
    for path, value in found.items():
        if path.endswith('.num_classes') and not allowed.fits(value):
            given = f'{path}={shorten(repr(value))}'
            raise InputError(f'checkpoint {filename} has {given}; allowed: {allowed.allowed}')
    check_values(cfg.to_dict())


def keep_split(runner: 'Runner') -> None:
    """Write the split of a training's pictures into its work directory, beside its checkpoints."""
    if not is_main_process():
        return
    folders = (
        Path(runner.work_dir),
        get_checkpoint_folder({**runner.cfg, 'work_dir': runner.work_dir}),
    )
    for part in parts_of(runner.train_dataloader.dataset):
        if isinstance(part, FolderDataset) and part.pool is not None:
            for folder in {*folders}:
                folder.mkdir(parents=True, exist_ok=True)
                write_split(part.pictures, folder / SPLIT_FILE)


def _find_folders(cfg: Mapping | Config, loaders: Sequence[str]) -> Iterator[dict]:
    """The configs of folders of pictures in loaders of a config."""
    for loader in loaders:
        for _, mapping in walk(cfg.get(loader), loader):
            if str(mapping.get('type')).rpartition('.')[2] == FolderDataset.__name__:
                yield mapping


def _pin(cfg: Config, pins: Mapping, loaders: Sequence[str] = LOADERS) -> None:
    """Set arguments of the folders of pictures that are not given."""
    for dataset in _find_folders(cfg, loaders):
        for name, value in pins.items():
            if dataset.get(name) is None and dataset.get('split') != 'all':
                dataset[name] = value


def build_quietly(cfg: Mapping) -> object:
    """The data set without its lines in the log, which come when the run builds it."""
    with DefaultScope.overwrite_default_scope('senet_mm'):
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            return build_dataset(dict(cfg))
        finally:
            logging.disable(before)


def _count_processes(cfg: Mapping | Config) -> int:
    """Processes of the run; launchers set the variable before they are connected."""
    if is_distributed() or cfg.get('launcher', 'none') == 'none':
        return get_world_size()
    return int(os.environ.get('WORLD_SIZE') or os.environ.get('OMPI_COMM_WORLD_SIZE') or 1)


def _as_options(found: Mapping) -> str:
    return ' '.join(f'{path}={value}'.replace(', ', ',') for path, value in found.items())
