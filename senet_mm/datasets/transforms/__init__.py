from .pixel_jitter import PixelJitter
from .square_cutout import SquareCutout

__all__ = ['PixelJitter', 'SquareCutout']
