"""A sampler that draws all classes equally often."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from torch import Tensor
from torch.utils.data import Dataset

from senet_mm.registry import DATA_SAMPLERS
from senet_mm.utils.errors import InputError

from .label_counts import read_labels


@DATA_SAMPLERS.register_module()
class BalancedSampler(DefaultSampler):
    """Draws all classes equally often, in epochs as long as those of ``DefaultSampler``.

    Of K draws in a row from the beginning of an epoch, each of the K classes with images gets one,
    in random order; so the draws of two classes differ by one at most. Within an epoch an image
    comes again only after all others of its class. The order follows from seed and epoch alone:
    all processes share it, rank r of w takes the draws r, r + w, ...

    Args:
        dataset: A data set with one label per image.
        shuffle: True; the argument of ``DefaultSampler`` for which this sampler is put in.
        **kwargs: Other arguments of mmengine's ``DefaultSampler``: ``seed``, ``round_up``.

    Raises:
        InputError: The data set does not tell its labels, or ``shuffle`` is False.
    """

    def __init__(self, dataset: Dataset, shuffle: bool = True, **kwargs: Any) -> None:
        if not shuffle:
            raise InputError('shuffle=False of BalancedSampler; allowed: True')
        labels = read_labels(dataset)
        if labels is None:
            name = type(getattr(dataset, 'dataset', dataset)).__name__
            raise InputError(
                f'BalancedSampler: {name} does not tell one label per image; allowed: '
                'DefaultSampler, or a data set with such labels'
            )
        # The parent's positions are not shuffled: they are those in an order that is drawn here.
        super().__init__(dataset, shuffle=False, **kwargs)
        order, ends = np.argsort(labels, kind='stable'), np.cumsum(np.bincount(labels))
        groups = np.split(order, ends[:-1])
        self.members = [torch.from_numpy(group) for group in groups if len(group)]

    def __iter__(self) -> Iterator[int]:
        order = self._draw()
        return (order[position] for position in super().__iter__())

    def _draw(self) -> list[int]:
        """The indices of an epoch of all processes."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        length, classes = len(self.dataset), len(self.members)
        rounds = math.ceil(length / classes)
        drawn = [repeat_shuffled(members, rounds, generator) for members in self.members]
        places = torch.rand(rounds, classes, generator=generator).argsort(dim=1)
        indices: list[int] = torch.stack(drawn, dim=1).gather(1, places).flatten().tolist()
        return indices[:length]


def repeat_shuffled(members: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """So many of some indices (N,), all of them in a new random order again and again; (count,)."""
    repeats = math.ceil(count / len(members))
    orders = [torch.randperm(len(members), generator=generator) for _ in range(repeats)]
    return members[torch.cat(orders)[:count]]
