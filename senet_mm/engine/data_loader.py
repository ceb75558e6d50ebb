"""Data loaders whose random numbers follow from seed, epoch and position."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence, Sized
from functools import partial
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.registry import FUNCTIONS
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader, Dataset, IterableDataset

from senet_mm.datasets.batch import Served
from senet_mm.datasets.collate import collate
from senet_mm.datasets.seeding import SeededDataset, SeededSampler
from senet_mm.datasets.subset import count_samples, length_of
from senet_mm.datasets.windows import wait_for_crops
from senet_mm.registry import DATA_SAMPLERS, DATASETS

from .workers import blocked_signals, start_worker


class ReportingLoader(DataLoader):
    """torch's loader, which tells more of the batch that it gave last.

    Attributes:
        damaged: What was replaced in it.
        indices: Where its images are in the data set; None where that is not known.
    """

    damaged: Sequence[str] = ()
    indices: Sequence[int] | None = None

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # loops only iterate
        # Not a generator itself: torch draws a random number here, before the first batch.
        with blocked_signals():
            batches = super().__iter__()
        return self._report(batches)

    def _report(self, batches: Iterator[Any]) -> Iterator[Any]:
        for served in batches:
            if not isinstance(served, Served):
                served = Served(served, [], None)
            batch, self.damaged, self.indices = served
            yield batch


def build_data_loader(
    cfg: dict, seed: int | None = None, diff_rank_seed: bool = False
) -> DataLoader:
    """Build a loader; objects in the config, or built here, are not copied.

    Defaults are those of OpenMMLab's image classification: samples are stacked, workers persist if
    there are any, memory is pinned if there is a GPU.

    Args:
        cfg: As for mmengine's ``build_dataloader``.
        seed: Seed of the run.
        diff_rank_seed: Let the sampler draw a seed that all ranks share.

    Raises:
        ValueError: An epoch has no batch, or ``num_batch_per_epoch`` is out of range.
    """
    cfg = {
        'num_workers': 0,
        'collate_fn': dict(type=collate),
        'pin_memory': torch.cuda.is_available(),
        **cfg,
    }
    cfg.setdefault('persistent_workers', cfg['num_workers'] > 0)
    if cfg['num_workers'] == 0:
        cfg['persistent_workers'] = False
    dataset = build_dataset(cfg['dataset'])
    wait_for_crops(dataset)
    # The dataset serves whole batches, so that it can report what it replaced in them.
    served = SeededDataset(dataset, build_collate(cfg['collate_fn']))
    if (number := cfg.pop('num_batch_per_epoch', None)) is not None:
        served.length = count_samples(length_of(dataset), number, cfg['batch_size'])
    sampler = cfg['sampler']
    if isinstance(sampler, dict):
        defaults = dict(dataset=served, seed=None if diff_rank_seed else seed)
        sampler = DATA_SAMPLERS.build(sampler, default_args=defaults)
    seeded = SeededSampler(sampler, seed or 0)
    # mmengine copies its argument deeply, open files and generators included, but not functions.
    cfg['dataset'] = dict(type=lambda: served)
    cfg['sampler'] = dict(type=lambda **_: seeded)
    cfg['collate_fn'] = dict(type=as_it_is)
    loader = Runner.build_dataloader(cfg, seed, diff_rank_seed)
    loader.__class__ = ReportingLoader  # mmengine has no argument for it
    is_main = threading.current_thread() is threading.main_thread()
    context = loader.multiprocessing_context or multiprocessing
    is_child = context.get_start_method() != 'forkserver'
    loader.worker_init_fn = partial(
        start_worker, loader.worker_init_fn, with_parent=is_main, is_child=is_child
    )
    check_has_batch(loader)
    return loader


def build_dataset(cfg: dict | Dataset) -> Dataset:
    """The dataset of a config, or the one that is given, with its annotations read.

    Raises:
        ValueError: It has no sample or no length, or cannot give a sample by its index.
    """
    try:
        dataset: Dataset = DATASETS.build(cfg) if isinstance(cfg, dict) else cfg
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
    except ValueError as error:
        if 'need at least one array to concatenate' in str(error):  # mmengine's, of no annotation
            raise ValueError(f'the dataset has no image: {cfg}') from error
        raise
    if isinstance(dataset, IterableDataset) or not isinstance(dataset, Sized):
        raise ValueError(
            f'{type(dataset).__name__} has no samples by index, or no length; '
            'allowed: datasets that have both'
        )
    return dataset


def check_has_batch(loader: DataLoader) -> None:
    """Raise a ValueError for a loader without a batch."""
    if len(loader):
        return
    images, own = length_of(loader.dataset), length_of(loader.sampler)
    raise ValueError(
        f'{images} images, batch_size={loader.batch_size}, {get_world_size()} process(es), '
        f'drop_last={loader.drop_last}: an epoch has no batch; '
        + (f'allowed: batch_size up to {own}, or drop_last=False' if own else 'there is no image')
    )


def refuse_damage(loop: BaseLoop) -> BaseLoop:
    """Make a damaged image an error in the loop of an evaluation; returns the loop."""
    if isinstance(loop.dataloader.dataset, SeededDataset):
        loop.dataloader.dataset.replaces = False
    return loop


def build_collate(cfg: dict | Callable) -> Callable[[list], object]:
    """The function that makes a batch of samples, of a config or itself."""
    if not isinstance(cfg, dict):
        return cfg
    kwargs = dict(cfg)
    function = kwargs.pop('type')
    return partial(FUNCTIONS.get(function) if isinstance(function, str) else function, **kwargs)


def as_it_is(batch: object) -> object:
    """The collate function of a loader whose dataset builds batches."""
    return batch
