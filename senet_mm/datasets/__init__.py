from .cifar import CIFAR10, CIFAR100
from .digits import Digits
from .imagenet import ImageNet
from .places365 import Places365
from .seeding import SeededDataset, SeededSampler
from .transforms import PixelJitter, SquareCutout

__all__ = [
    'CIFAR10',
    'CIFAR100',
    'Digits',
    'ImageNet',
    'PixelJitter',
    'Places365',
    'SeededDataset',
    'SeededSampler',
    'SquareCutout',
]
