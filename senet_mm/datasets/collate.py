"""Batches, built in the worker."""

from collections.abc import Sequence

import numpy as np
from mmengine.dataset import default_collate
from torch.utils.data import default_collate as stack

from .images.augmentation import Numbers


def collate(samples: Sequence) -> dict | object:
    """mmengine's ``default_collate``, and a batch without per-image objects from ``PackTensors``.

    Returns:
        Of samples of ``PackTensors`` a dict: ``inputs``, uint8 (N, C, H, W), channels last in
        memory, shared memory where a worker builds it; ``gt_label`` and ``seed``, int64 (N,), or a
        list of labels where an image has several;
        ``augment``, an ``Augmentation`` and the ``Numbers`` of all images. What is small is
        NumPy's: every tensor more costs a process tens of microseconds to receive.
    """
    if not isinstance(samples[0], dict) or 'seed' not in samples[0]:
        return default_collate(samples)
    images = stack([sample['inputs'].permute(1, 2, 0) for sample in samples])
    labels = [sample['gt_label'] for sample in samples]
    batch = dict(
        inputs=images.permute(0, 3, 1, 2),
        gt_label=labels if np.ndim(labels[0]) else np.array(labels),
        seed=np.array([sample['seed'] for sample in samples]),
    )
    if 'augment' in samples[0]:
        numbers = zip(*(sample['augment'][1] for sample in samples), strict=True)
        batch['augment'] = (samples[0]['augment'][0], Numbers(*map(np.array, numbers)))
    return batch
