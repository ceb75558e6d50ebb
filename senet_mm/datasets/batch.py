"""Samples and batches: which keys they have, from the pipeline to the network.

A pipeline ends with ``PackInputs`` (mmpretrain's, for metrics and visualisers) or ``PackTensors``
(ours, for training). The loader hands on a :data:`Batch`; the data preprocessor makes of it an
:class:`Input`.
"""

from collections.abc import Mapping
from typing import NamedTuple, NotRequired, TypedDict, TypeGuard

import numpy as np
from mmpretrain.structures import DataSample
from torch import Tensor

from .images.augmentation import Augmentation, Numbers


class TensorSample(TypedDict):
    """A sample of ``PackTensors``.

    Attributes:
        inputs: uint8 (C, H, W), channels last in memory.
        gt_label: The class; for several classes int64 (number of classes,).
        seed: Random number from 0 to 2^31 - 1 for what is done to the batch.
        augment: The recipe and what was drawn, where the device augments.
    """

    inputs: Tensor
    gt_label: int | np.ndarray
    seed: int
    augment: NotRequired[tuple[Augmentation, Numbers]]


class TensorBatch(TypedDict):
    """A batch of :class:`TensorSample`.

    What is small is NumPy's: every further tensor costs a process tens of microseconds to receive.

    Attributes:
        inputs: uint8 (N, C, H, W), channels last in memory, in shared memory where a worker builds
            it.
        gt_label: int64 (N,); a list of N arrays where an image has several classes.
        seed: int64 (N,).
        augment: The recipe and the numbers of all images, arrays (N, ...).
    """

    inputs: Tensor
    gt_label: np.ndarray | list[np.ndarray]
    seed: np.ndarray
    augment: NotRequired[tuple[Augmentation, Numbers]]


class SampleBatch(TypedDict):
    """A batch of ``PackInputs``.

    Attributes:
        inputs: uint8 (N, C, H, W); a list of N images (C, H, W) where sizes differ.
        data_samples: An object per image, with its label and where it comes from.
    """

    inputs: Tensor | list[Tensor]
    data_samples: list[DataSample]


# Of mmengine's default collate function or ours; a user's may make anything else.
Batch = SampleBatch | TensorBatch


class Input(TypedDict):
    """What the network gets.

    Attributes:
        inputs: float32 (N, C, H, W).
        data_samples: An object per image; or, in training on a :class:`TensorBatch`, classes,
            int64 (N,), or scores, float32 (N, num_classes).
    """

    inputs: Tensor
    data_samples: list[DataSample] | Tensor


class Served(NamedTuple):
    """What a process that reads data sends: a batch, and beside it where it is from.

    Attributes:
        batch: A :data:`Batch`, or what a user's collate function makes.
        damaged: ``PATH: REASON`` of every damaged image that another one replaces.
        indices: Where the images are in the data set; None where that is not known.
    """

    batch: object
    damaged: list[str]
    indices: list[int] | None


def is_tensor_sample(sample: object) -> TypeGuard[TensorSample]:
    """Whether ``PackTensors`` has made a sample."""
    return isinstance(sample, Mapping) and sample.keys() >= TensorSample.__required_keys__


def is_tensor_batch(batch: object) -> TypeGuard[TensorBatch]:
    """Whether a batch is of samples of ``PackTensors``."""
    return isinstance(batch, Mapping) and batch.keys() >= TensorBatch.__required_keys__
