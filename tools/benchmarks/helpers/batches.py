"""A batch as the ImageNet recipes get it, and what is done to it on the device."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from mmengine import Config
from torch import nn

from senet_mm.datasets.images.augmentation import Augmentation, Numbers
from senet_mm.registry import MODELS

ROOT = Path(__file__).parents[3]


@cache
def imagenet() -> Config:
    """The data of the recipe with the released networks' augmentation."""
    return Config.fromfile(ROOT / 'configs/_base_/datasets/imagenet_bs32_senet.py')


def preprocessor() -> nn.Module:
    """The recipe's preprocessor, which augments and normalises."""
    return MODELS.build(imagenet().data_preprocessor)


def augmented_batch(count: int, size: int, device: str) -> dict:
    """Random images with the random numbers of their augmentation; equal on all devices."""
    rng = np.random.default_rng(0)
    numbers = Numbers(
        rng.uniform(-10, 10, count), rng.random(count) < 0.5, rng.integers(2**31, size=(count, 2))
    )
    images = torch.from_numpy(rng.integers(256, size=(count, size, size, 3), dtype=np.uint8))
    labels = np.zeros(count, int)
    return dict(
        inputs=images.to(device).permute(0, 3, 1, 2),
        gt_label=labels,
        seed=labels,
        augment=(Augmentation(10, 20, fill=(104, 117, 123)), numbers),
    )
