from .cifar import CIFAR10, CIFAR100
from .digits import Digits
from .imagenet import ImageNet
from .seeding import SeededDataset, SeededSampler
from .transforms import PixelJitter, SquareCutout

__all__ = [
    'CIFAR10',
    'CIFAR100',
    'Digits',
    'ImageNet',
    'PixelJitter',
    'SeededDataset',
    'SeededSampler',
    'SquareCutout',
]
