"""A batch read before a run starts: whether a pipeline works, and what its samples lack."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from senet_mm.datasets.batch import Batch
from senet_mm.datasets.damage import DamagedImageError
from senet_mm.datasets.seeding import SeededDataset, own_random_numbers
from senet_mm.datasets.subset import length_of
from senet_mm.utils.errors import name_error
from senet_mm.utils.names import counted

from .data_loader import ReportingLoader

if TYPE_CHECKING:
    from .runner import Runner


def draw_batch(loader: DataLoader, name: str, limit: int | None = None) -> tuple[Batch, int]:
    """A batch of the loader's size, spread over its data set, and how many images it has.

    If the loader has workers, a worker reads the batch: a data set may open files when it is first
    read, and the workers of the run must not share them.

    Args:
        loader: The loader; its data set has samples by index.
        name: ``train``, ``val`` or ``test``.
        limit: Read at most this many images.

    Raises:
        DamagedImageError: An image is damaged, in an evaluation.
        OSError: A file cannot be read.
        ValueError: The pipeline fails.
    """
    dataset = loader.dataset
    length = length_of(dataset)
    count = min(loader.batch_size or 1, length, limit or length)
    indices = np.linspace(0, length - 1, count).astype(int).tolist()
    if isinstance(dataset, SeededDataset):
        indices = [(index, (0, 0, index)) for index in indices]
    once = ReportingLoader(
        dataset,
        batch_sampler=[indices],
        num_workers=min(loader.num_workers, 1),
        collate_fn=loader.collate_fn,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
    )
    try:
        return next(iter(once)), count
    except Exception as error:  # a transform of the user's may raise anything
        if isinstance(error, (OSError, DamagedImageError)):
            raise
        raise ValueError(
            f'{name}_dataloader: no batch can be made of its samples: {name_error(error)}'
        ) from error


def check_training_samples(runner: 'Runner') -> None:
    """Read two training images and prepare them as those of an evaluation are.

    Random generators are restored.

    Raises:
        ValueError: The pipeline fails, or its samples lack what the network asks for.
    """
    loader = runner.train_dataloader
    if isinstance(loader.dataset, IterableDataset):
        return
    with own_random_numbers():
        batch, _ = draw_batch(loader, 'train', limit=2)
        prepare = getattr(runner.bare_model, 'data_preprocessor', None)
        check_statistics(prepare, batch, 'train_dataloader')
        try:
            if prepare is not None:  # mmengine asks a model for train_step alone
                note_size(runner, prepare(batch, False))
        except KeyError as error:
            if missing := explain_missing(batch, error):
                raise ValueError(f'train_dataloader: {missing}') from error
            raise


def note_size(runner: 'Runner', batch: Batch) -> None:
    """Log a line if images of a prepared batch have another shape than ``input_shape``."""
    inputs = batch.get('inputs') if isinstance(batch, Mapping) else None
    if not isinstance(inputs, torch.Tensor) or 'input_shape' not in runner.cfg:
        return
    found, told = tuple(inputs.shape[1:]), tuple(runner.cfg.input_shape)
    if found != told:
        runner.logger.info(
            f'training images have the shape {found}; FLOPs are counted, and blocks are tried, for '
            f'input_shape={told}'
        )


def check_statistics(prepare: object, batch: Batch, where: str) -> None:
    """Raise a ValueError for images of other channels or bits than the means are for.

    Of one channel three means would make three.

    Args:
        prepare: The data preprocessor.
        batch: A batch.
        where: The loader it is from.
    """
    mean = getattr(prepare, 'mean', None)
    inputs = batch.get('inputs') if isinstance(batch, Mapping) else None
    if mean is None or inputs is None or not len(inputs) or inputs[0].ndim != 3:
        return
    channels, numbers = len(inputs[0]), mean.numel()
    if inputs[0].dtype == torch.uint16 and mean.max() <= 255:
        raise ValueError(
            f'{where}: images of 16 bits, from 0 to 65535, and data_preprocessor.mean of 8 bits; '
            'allowed: LoadImage(bits=16), which makes 0 to 255 of both, or mean and std of 16 bits'
        )
    if numbers not in (1, channels):
        raise ValueError(
            f'{where}: images of {counted(channels, "channel")}, and data_preprocessor.mean has '
            f'{numbers} numbers; allowed: one per channel, as in_channels={channels} sets it'
        )


def explain_missing(batch: Batch, error: Exception) -> str | None:
    """That a batch lacks the key which an error names; None for another error."""
    if not isinstance(error, KeyError) or not isinstance(batch, Mapping):
        return None
    if not error.args or error.args[0] in batch:
        return None
    return (
        f'its samples have no {error} (but {", ".join(map(str, batch))}); allowed: a pipeline that '
        'loads an image and ends with PackInputs'
    )
