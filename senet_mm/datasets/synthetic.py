"""Data that costs no time: one random batch, served again and again."""

import numpy as np
import torch
from mmengine.registry import FUNCTIONS
from torch.utils.data import Dataset

from senet_mm.registry import DATASETS

from .batch import TensorBatch


@DATASETS.register_module()
class SyntheticBatches(Dataset):
    """A number of times the same batch: random uint8 images and labels.

    Args:
        shape: Shape of an image, (C, H, W).
        batch_size: Images of the batch.
        num_classes: Number of classes.
        num_batches: Length of an epoch.
    """

    def __init__(
        self, shape: tuple[int, int, int], batch_size: int, num_classes: int, num_batches: int
    ) -> None:
        random = np.random.default_rng(0)
        images = random.integers(0, 256, (batch_size, *shape), dtype=np.uint8)
        self.batch = TensorBatch(
            inputs=torch.from_numpy(images).contiguous(memory_format=torch.channels_last),
            gt_label=random.integers(0, num_classes, batch_size),
            seed=np.arange(batch_size),
        )
        self.num_batches = num_batches
        self.CLASSES = tuple(map(str, range(num_classes)))  # mmpretrain's hook reads it

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, index: int) -> TensorBatch:
        return self.batch


@FUNCTIONS.register_module()
def only_batch(batches: list[TensorBatch]) -> TensorBatch:
    """Collate nothing: the one sample is a batch."""
    return batches[0]
