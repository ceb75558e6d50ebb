from .backbones import (
    VGG,
    InceptionResNetV2,
    InceptionV4,
    MobileNetV1,
    PreActResNet,
    SEBNInception,
    SENet,
    SEResNet,
    SEResNeXt,
    ShakeShake,
    SmallCNN,
    WideResNet,
)
from .classifiers import ImageClassifier
from .data_preprocessors import BatchPreprocessor
from .heads import ClsHead, LinearClsHead
from .layers import (
    AvgSqueeze,
    ECALayer,
    GatherExciteLayer,
    MaxSqueeze,
    NoSqueeze,
    SCSELayer,
    SELayer,
    ShakeSum,
    SpatialSELayer,
)
from .recalibration import insert_se, with_se

__all__ = [
    'VGG',
    'AvgSqueeze',
    'BatchPreprocessor',
    'ClsHead',
    'ECALayer',
    'GatherExciteLayer',
    'ImageClassifier',
    'InceptionResNetV2',
    'InceptionV4',
    'LinearClsHead',
    'MaxSqueeze',
    'MobileNetV1',
    'NoSqueeze',
    'PreActResNet',
    'SCSELayer',
    'SEBNInception',
    'SELayer',
    'SENet',
    'SEResNeXt',
    'SEResNet',
    'ShakeShake',
    'ShakeSum',
    'SmallCNN',
    'SpatialSELayer',
    'WideResNet',
    'insert_se',
    'with_se',
]
