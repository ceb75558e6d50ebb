from .digits import Digits
from .imagenet import ImageNet
from .seeding import SeededDataset, SeededSampler
from .transforms import PixelJitter

__all__ = ['Digits', 'ImageNet', 'PixelJitter', 'SeededDataset', 'SeededSampler']
