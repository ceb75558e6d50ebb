"""Random numbers that depend on the sample alone: not on workers, ranks or restarts.

mmengine seeds a worker process when it starts, so that without ``persistent_workers`` every epoch
repeats the same augmentation. Here a sample's random numbers follow from (seed, epoch, position in
the epoch), which the sampler sends along with the index.
"""

import contextlib
import copy
import functools
import itertools
import math
import random
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from mmengine.dist import get_dist_info
from torch.utils.data import Dataset, Sampler, get_worker_info

from .batch import Served
from .damage import DamagedImageError

# After this many damaged images in a row, assume that the data folder is gone.
MAX_DRAWS = 10

# Attributes that a wrapper takes from the dataset inside. Others may depend on the index, which a
# wrapper changes.
SHARED = ('CLASSES', 'class_to_idx', 'metainfo', 'pipeline', 'test_mode')
# What a dataset may keep under the name `dataset` without being a wrapper.
PLAIN = (str, bytes, dict, list, tuple, np.ndarray)

# An index of the dataset and the key of its random numbers. A plain tuple: each one is sent to a
# worker, and a class takes five times as long.
Draw = tuple[int, tuple[int, int, int]]


class Indices(Protocol):
    """A sampler that knows its length."""

    def __iter__(self) -> Iterator[int]: ...

    def __len__(self) -> int: ...


class SeededSampler(Sampler):
    """Sends a key with every index of another sampler.

    Args:
        sampler: Yields the indices of this rank; rank r of w yields positions r, r + w, ...
        seed: Seed of the run.

    Attributes:
        start: Position, over all ranks, from which this epoch is given.
        is_endless: Whether the sampler never ends.
        knows_rank: Whether the order that all ranks share can be had from the sampler.
    """

    def __init__(self, sampler: Indices, seed: int) -> None:
        self.sampler: Any = sampler  # some have more, which is asked for
        self.seed = seed
        self.epoch = 0
        self.start = 0
        self.rank, self.world_size = get_dist_info()
        self.is_endless = hasattr(sampler, 'skip')
        self.knows_rank = hasattr(sampler, 'rank')
        if self.is_endless:  # mmengine asks whether it has it
            self.skip = self._skip

    def set_epoch(self, epoch: int) -> None:
        """Move to another epoch: other order, other random numbers."""
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def _skip(self, num_samples: int) -> None:
        """Skip samples of this rank at the start of an endless sampler."""
        self.start = num_samples * self.world_size

    def __iter__(self) -> Iterator[Draw]:
        first = self.start + self.rank
        positions = itertools.count(first, self.world_size)
        if self.start % self.world_size == 0:
            indices: Iterator[int] = itertools.islice(
                self.sampler, self.start // self.world_size, None
            )
        elif self.is_endless:
            indices = itertools.islice(self._all_ranks(), first, None, self.world_size)
        else:  # as few as needed come again, so that all ranks have the same number
            order = list(self._all_ranks())[: self._total]
            own = range(first, first + self.count_left(self.start) * self.world_size)
            indices = (order[i % len(order)] for i in own[:: self.world_size])
        for position, index in zip(positions, indices, strict=False):
            yield index, (self.seed, self.epoch, position)

    def __len__(self) -> int:
        return len(self.sampler)

    def count_left(self, start: int) -> int:
        """Samples of this rank from a position on."""
        return max(0, math.ceil((self._total - start) / self.world_size))

    @property
    def _total(self) -> int:
        """Samples of all ranks; those that come again are not counted where that is known."""
        if hasattr(self.sampler, 'round_up'):
            return len(self.sampler.dataset)
        return len(self.sampler) * self.world_size

    def _all_ranks(self) -> Iterator[int]:
        """The indices of all ranks by position."""
        ranks = []
        for rank in range(self.world_size):
            sampler = copy.copy(self.sampler)
            sampler.rank = rank
            if self.is_endless:
                sampler.skip(0)  # its stream is of its rank
            ranks.append(iter(sampler))
        rows = itertools.zip_longest(*ranks)
        return (index for row in rows for index in row if index is not None)


class SeededDataset(Dataset):
    """Serves whole batches under the random numbers of their samples; all else is the dataset's.

    Attributes are read from, and set on, the dataset; see :func:`find_owners` for those of a
    dataset inside a wrapper.

    A damaged image is replaced by one that is drawn from the sample's own generator, and reported
    beside the batch, see :class:`.Served`: by another one of its class, or of any class where the
    data set tells no labels or all of the class have been tried. It is an error where ``replaces``
    is False, as the runner sets it for evaluations, and in a data set that is in ``test_mode``.

    Args:
        dataset: Serves samples by index.
        collate: Makes a batch of a list of samples.
        length: Number of samples that are used, spread evenly over the dataset, which may list its
            classes one after the other; by default all.
    """

    def __init__(
        self, dataset: Dataset, collate: Callable[[list], Any], length: int | None = None
    ) -> None:
        # Past __setattr__, which is for the dataset's attributes.
        vars(self).update(dataset=dataset, collate=collate, length=length, replaces=True)

    def __getattr__(self, name: str) -> Any:
        if name == 'dataset':  # missing while a worker unpickles it
            raise AttributeError(name)
        owners = find_owners(self.dataset, name)
        if name == 'CLASSES' and not owners:  # mmpretrain's hook asks every dataset for it
            return getattr(self, 'metainfo', {}).get('classes')
        return getattr(owners[0] if owners else self.dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self):
            vars(self)[name] = value
            return
        for owner in find_owners(self.dataset, name) or [self.dataset]:
            setattr(owner, name, value)

    def __len__(self) -> int:
        return len(self.dataset) if self.length is None else self.length

    def __getitems__(self, draws: list[Draw]) -> Served:
        damaged: list[str] = []
        indices: list[int] = []
        with own_random_numbers():
            batch = self.collate([self.draw(draw, damaged, indices) for draw in draws])
        return Served(batch, damaged, indices)

    def draw(self, draw: Draw, damaged: list[str], indices: list[int]) -> Any:
        """The sample of a draw, or another one.

        Args:
            draw: The draw.
            damaged: What is damaged is appended.
            indices: The index of the sample in the data set is appended.

        Raises:
            DamagedImageError: Images are not replaced here, or several in a row are damaged.
        """
        index, key = draw
        tried: list[int] = []
        for attempt in range(MAX_DRAWS):
            seed_generators((*key, attempt) if attempt else key)
            if attempt:
                index = self.draw_another(tried)
            tried.append(index)
            place = self.locate(index)
            try:
                sample = self.dataset[place]
            except DamagedImageError as error:
                if not self.replaces or is_evaluated(self.dataset):
                    raise
                damaged.append(str(error))
            else:
                indices.append(place)
                return sample
        raise DamagedImageError(
            f'{MAX_DRAWS} images in a row are damaged, the last of them {damaged[-1]}'
        )

    def draw_another(self, tried: list[int]) -> int:
        """An index in place of one that is damaged, drawn from NumPy's generator.

        Args:
            tried: The one, and others that were drawn in its place.
        """
        own = np.arange(len(self))
        if self._labels is not None:
            own = np.flatnonzero(self._labels == self._labels[tried[0]])
        left = np.setdiff1d(own, tried)
        return int(np.random.choice(left)) if len(left) else np.random.randint(len(self))

    @functools.cached_property
    def _labels(self) -> np.ndarray | None:
        """The label of every sample, (N,); None where they are not known."""
        from .label_counts import read_labels  # it imports this module

        return read_labels(self)

    def locate(self, index: int) -> int:
        """Where a sample is in the data set, of which ``length`` may use a part."""
        return index * len(self.dataset) // len(self)


def get_wrapped(dataset: Dataset) -> list[Dataset]:
    """The datasets that a wrapper of mmengine, mmpretrain or torch holds; else none."""
    held = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    return [one for one in held if hasattr(type(one), '__getitem__') and not isinstance(one, PLAIN)]


def find_owners(dataset: Dataset, name: str) -> list[Dataset]:
    """The dataset if it has an attribute; for ``SHARED`` ones, else the datasets inside."""
    if hasattr(dataset, name):
        return [dataset]
    inner = get_wrapped(dataset) if name in SHARED else []
    return [owner for one in inner for owner in find_owners(one, name)]


def is_evaluated(dataset: Dataset) -> bool:
    """Whether a dataset, or any inside it, is in ``test_mode``."""
    inner = map(is_evaluated, get_wrapped(dataset))
    return getattr(dataset, 'test_mode', False) or any(inner)


def seed_generators(key: tuple[int, ...]) -> int:
    """Seed Python's, NumPy's and PyTorch's (CPU) global generators from ``key``.

    Returns:
        The seed that PyTorch's generator got.
    """
    words = np.random.SeedSequence(key).generate_state(4)
    random.seed(words.tobytes())
    np.random.seed(words)
    seed = int(words[0])
    torch.default_generator.manual_seed(seed)
    return seed


@contextlib.contextmanager
def own_random_numbers() -> Iterator[None]:
    """Restore the main process's global generators afterwards.

    The model's random numbers (dropout, for example) must not depend on the data. A worker process
    has no model, so nothing is done there.
    """
    if get_worker_info() is not None:
        yield
        return
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
