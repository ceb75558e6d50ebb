"""Data that costs nothing: one random batch, served over and over."""

from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import FUNCTIONS
from torch.utils.data import Dataset

from senet_mm.datasets.subset import check_batches
from senet_mm.registry import DATASETS


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
        # As ``PackTensors`` and ``collate`` make it.
        self.batch = dict(
            inputs=torch.from_numpy(images).contiguous(memory_format=torch.channels_last),
            gt_label=random.integers(0, num_classes, batch_size),
            seed=np.arange(batch_size),
        )
        self.num_batches = num_batches
        self.CLASSES = tuple(map(str, range(num_classes)))  # mmpretrain's hook reads it

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.batch


@FUNCTIONS.register_module()
def only_batch(batches: list[dict]) -> dict:
    """Collate nothing: the one sample is a batch."""
    return batches[0]


def use_synthetic(cfg: Config, num_batches: int = 100) -> None:
    """Let a config train on :class:`SyntheticBatches` of its own shape and batch size.

    ``num_batch_per_epoch`` of its loader, or ``num_batches``, is the length of an epoch.
    """
    loader = cfg.train_dataloader
    if (given := loader.get('num_batch_per_epoch')) is not None:
        check_batches(given)
        num_batches = given
    dataset = dict(
        type='SyntheticBatches',
        shape=tuple(cfg.input_shape),
        batch_size=loader.batch_size,
        num_classes=cfg.data_preprocessor.num_classes,
        num_batches=num_batches,
    )
    cfg.data_preprocessor.type = 'BatchPreprocessor'
    cfg.train_dataloader = dict(
        batch_size=1,
        dataset=dataset,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='only_batch'),
    )
