from .antialiased_crop import AntialiasedResizedCrop
from .check_decoded import CheckDecoded
from .load_image import LoadImage
from .pack_tensors import PackTensors
from .pca_lighting import PcaLighting
from .pixel_jitter import PixelJitter
from .random_augment import RandomAugment
from .resize_edge import ResizeEdge
from .square_cutout import SquareCutout

__all__ = [
    'AntialiasedResizedCrop',
    'CheckDecoded',
    'LoadImage',
    'PackTensors',
    'PcaLighting',
    'PixelJitter',
    'RandomAugment',
    'ResizeEdge',
    'SquareCutout',
]
