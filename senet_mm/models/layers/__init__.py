from .base import ActsAt, RecalibrationLayer, build_layer
from .eca_layer import ECALayer
from .gather_excite import GatherExciteLayer
from .initialisation import KeepsLayers, own_initialisation, recalibration_layers
from .scse_layer import SCSELayer, SpatialSELayer
from .se_layer import AvgSqueeze, MaxSqueeze, NoSqueeze, SELayer
from .shake import ShakeSum

__all__ = [
    'ActsAt',
    'AvgSqueeze',
    'ECALayer',
    'GatherExciteLayer',
    'KeepsLayers',
    'MaxSqueeze',
    'NoSqueeze',
    'RecalibrationLayer',
    'SCSELayer',
    'SELayer',
    'ShakeSum',
    'SpatialSELayer',
    'build_layer',
    'own_initialisation',
    'recalibration_layers',
]
