"""Batches, built in the worker."""

from collections.abc import Sequence

import numpy as np
from mmengine.dataset import default_collate
from torch.utils.data import default_collate as stack

from .batch import TensorBatch, TensorSample, is_tensor_sample
from .images.augmentation import Numbers


def collate(samples: Sequence) -> object:
    """A :class:`.TensorBatch` of samples of ``PackTensors``; others by mmengine's function."""
    if is_tensor_sample(samples[0]):
        return collate_tensors(samples)
    return default_collate(samples)


def collate_tensors(samples: Sequence[TensorSample]) -> TensorBatch:
    """A batch without an object per image."""
    images = stack([sample['inputs'].permute(1, 2, 0) for sample in samples])
    labels = [sample['gt_label'] for sample in samples]
    batch = TensorBatch(
        inputs=images.permute(0, 3, 1, 2),
        gt_label=list(map(np.asarray, labels)) if np.ndim(labels[0]) else np.array(labels),
        seed=np.array([sample['seed'] for sample in samples]),
    )
    if 'augment' in samples[0]:
        numbers = zip(*(sample['augment'][1] for sample in samples), strict=True)
        batch['augment'] = (samples[0]['augment'][0], Numbers(*map(np.array, numbers)))
    return batch
