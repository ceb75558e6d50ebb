"""What is logged of batches: their losses, and the images of which they were made."""

import itertools
import math
from collections.abc import Callable, Sequence

from mmengine.dist import all_gather_object, get_world_size
from torch.utils.data import Dataset

from .finite import Batch

# So many images of a batch are named.
MOST = 16


GetPath = Callable[[int], str | None]


def describe_batches(batches: Sequence[Batch], get_path: GetPath) -> str:
    """Names the batches of all processes whose loss is not finite; all, if all losses are finite.

    All processes must call it.

    Args:
        batches: Of one optimizer step.
        get_path: The path of an image by its index; None where it has none.
    """
    own = []
    for batch in batches:
        losses = [loss for loss in map(float, batch.losses) if not math.isfinite(loss)]
        own.append((losses, name_images(batch, get_path)))
    ranks = all_gather_object(own)
    found = [(rank, *batch) for rank, batches in enumerate(ranks) for batch in batches]
    bad = [
        f'{_prefix(rank)}loss {losses[0]:g}, {images}' for rank, losses, images in found if losses
    ]
    others = [f'{_prefix(rank)}{images}' for rank, _, images in found]
    return '; '.join(bad) or f'gradient not finite, {"; ".join(others)}'


def _prefix(rank: int) -> str:
    return f'rank {rank}, ' if get_world_size() > 1 else ''


def name_images(batch: Batch, get_path: GetPath) -> str:
    """``images FOLDER: FILE, FILE and 3 more``; the indices of images without a path."""
    if batch.indices is None:
        return 'images that its loader does not tell'
    indices = batch.indices[:MOST]
    left = len(batch.indices) - len(indices)
    return _name_images(indices, get_path) + (f' and {left} more' if left else '')


def _name_images(indices: Sequence[int], get_path: GetPath) -> str:
    found = [get_path(index) for index in indices]
    paths = [path for path in found if path is not None]
    if len(paths) < len(found):
        return f'images with indices {", ".join(map(str, indices))}'
    folders = zip(*(path.split('/')[:-1] for path in paths), strict=False)
    shared = itertools.takewhile(lambda names: len(set(names)) == 1, folders)
    folder = '/'.join(names[0] for names in shared)
    if not folder:
        return f'images {", ".join(paths)}'
    return f'images {folder}: {", ".join(path[len(folder) + 1 :] for path in paths)}'


def find_path(dataset: Dataset, index: int) -> str | None:
    """The path of an image of a data set, or of one inside a wrapper; None where it has none."""
    if not hasattr(dataset, 'get_data_info'):
        return None
    path = dataset.get_data_info(index).get('img_path')
    return path if isinstance(path, str) else None
