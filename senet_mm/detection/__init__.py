"""Backbones in detectors and segmentation networks; not imported by ``import senet_mm``."""

from .backbone import FPNBackbone, torchvision_backbone

__all__ = ['FPNBackbone', 'torchvision_backbone']
