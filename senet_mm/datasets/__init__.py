from .cifar import CIFAR10
from .digits import Digits
from .imagenet import ImageNet
from .seeding import SeededDataset, SeededSampler
from .transforms import PixelJitter

__all__ = ['CIFAR10', 'Digits', 'ImageNet', 'PixelJitter', 'SeededDataset', 'SeededSampler']
