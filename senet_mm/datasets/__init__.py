# Before mmpretrain, whose messages while it is imported it swallows.
import senet_mm.registry  # noqa: F401

from .balanced_sampler import BalancedSampler
from .cifar import CIFAR10, CIFAR100
from .custom import CustomDataset, ImageNet21k
from .damage import DamagedImageError
from .digits import Digits
from .folder import FolderDataset
from .imagenet import ImageNet
from .places365 import Places365
from .scenes import Scenes
from .seeding import SeededDataset, SeededSampler
from .shards import ShardedImageNet
from .streaming import StreamedImageNet
from .synthetic import SyntheticBatches
from .transforms import (
    AntialiasedResizedCrop,
    LoadImage,
    PackTensors,
    PcaLighting,
    PixelJitter,
    RandomAugment,
    ResizeEdge,
    SquareCutout,
)

__all__ = [
    'CIFAR10',
    'CIFAR100',
    'AntialiasedResizedCrop',
    'BalancedSampler',
    'CustomDataset',
    'DamagedImageError',
    'Digits',
    'FolderDataset',
    'ImageNet',
    'ImageNet21k',
    'LoadImage',
    'PackTensors',
    'PcaLighting',
    'PixelJitter',
    'Places365',
    'RandomAugment',
    'ResizeEdge',
    'Scenes',
    'SeededDataset',
    'SeededSampler',
    'ShardedImageNet',
    'SquareCutout',
    'StreamedImageNet',
    'SyntheticBatches',
]
