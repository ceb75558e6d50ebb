from .backbones import (
    InceptionResNetV2,
    InceptionV4,
    MobileNetV1,
    SEBNInception,
    SENet,
    SEResNet,
    SEResNeXt,
)
from .classifiers import ImageClassifier
from .heads import LinearClsHead
from .layers import (
    AvgSqueeze,
    ECALayer,
    GatherExciteLayer,
    MaxSqueeze,
    NoSqueeze,
    SCSELayer,
    SELayer,
    SpatialSELayer,
)
from .recalibration import insert_se

__all__ = [
    'AvgSqueeze',
    'ECALayer',
    'GatherExciteLayer',
    'ImageClassifier',
    'InceptionResNetV2',
    'InceptionV4',
    'LinearClsHead',
    'MaxSqueeze',
    'MobileNetV1',
    'NoSqueeze',
    'SCSELayer',
    'SEBNInception',
    'SELayer',
    'SENet',
    'SEResNeXt',
    'SEResNet',
    'SpatialSELayer',
    'insert_se',
]
