from .base import RecalibrationLayer, build_layer
from .eca_layer import ECALayer
from .gather_excite import GatherExciteLayer
from .scse_layer import SCSELayer, SpatialSELayer
from .se_layer import AvgSqueeze, MaxSqueeze, NoSqueeze, SELayer
from .shake import ShakeSum

__all__ = [
    'AvgSqueeze',
    'ECALayer',
    'GatherExciteLayer',
    'MaxSqueeze',
    'NoSqueeze',
    'RecalibrationLayer',
    'SCSELayer',
    'SELayer',
    'ShakeSum',
    'SpatialSELayer',
    'build_layer',
]
