from .base import RecalibrationLayer, build_layer
from .se_layer import AvgSqueeze, MaxSqueeze, NoSqueeze, SELayer

__all__ = [
    'AvgSqueeze',
    'MaxSqueeze',
    'NoSqueeze',
    'RecalibrationLayer',
    'SELayer',
    'build_layer',
]
