from .pixel_jitter import PixelJitter

__all__ = ['PixelJitter']
