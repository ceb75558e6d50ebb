"""The labels of a data set, and how many images each class has."""

from collections.abc import Sequence

import numpy as np
from mmengine.dataset import BaseDataset, ClassBalancedDataset, RepeatDataset
from torch.utils.data import Subset

from .seeding import SeededDataset, get_wrapped


def read_labels(dataset: object) -> np.ndarray | None:
    """The label of every sample, int64 (N,), without a look at an image.

    None where a data set does not tell them, or where samples have no label or several.

    Args:
        dataset: A data set, or a wrapper of mmengine, mmpretrain or torch around data sets.
    """
    wrapped = [read_labels(each) for each in _inside(dataset)]
    if any(labels is None for labels in wrapped):
        return None
    if wrapped:
        return _rearrange(dataset, np.concatenate([each for each in wrapped if each is not None]))
    return _read(dataset)


def _inside(dataset: object) -> Sequence[object]:
    """The data sets in a wrapper whose samples are theirs, in another order or number."""
    if isinstance(dataset, SeededDataset | Subset | RepeatDataset | ClassBalancedDataset):
        return [dataset.dataset]
    return get_wrapped(dataset) if hasattr(dataset, 'datasets') else []  # type: ignore[arg-type]


def _rearrange(dataset: object, labels: np.ndarray) -> np.ndarray:
    """The labels of a wrapper's samples, of those of all samples inside."""
    if isinstance(dataset, SeededDataset):
        return labels[[dataset.locate(index) for index in range(len(dataset))]]
    if isinstance(dataset, Subset):
        return labels[list(dataset.indices)]
    if isinstance(dataset, RepeatDataset):
        return np.tile(labels, dataset.times)
    if isinstance(dataset, ClassBalancedDataset):
        return labels[dataset.repeat_indices]
    return labels


def _read(dataset: object) -> np.ndarray | None:
    """The labels of a data set that is no wrapper."""
    try:
        if hasattr(dataset, 'get_gt_labels'):  # mmpretrain's; of shards it fetches nothing
            labels = np.asarray(dataset.get_gt_labels())
        elif isinstance(dataset, BaseDataset):
            infos = map(dataset.get_data_info, range(len(dataset)))
            labels = np.array([info['gt_label'] for info in infos])
        else:
            return None
    except Exception:  # no label, lists of different lengths; one of the user's may raise anything
        return None
    is_single = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    return labels.astype(np.int64) if is_single and len(labels) and labels.min() >= 0 else None


def count_labels(labels: np.ndarray, num_classes: int | None) -> np.ndarray:
    """Images of every class, int64 (C,).

    Args:
        labels: Label of every image, (N,).
        num_classes: C, None for as many as the labels show.
    """
    return np.bincount(labels, minlength=num_classes or 0)
