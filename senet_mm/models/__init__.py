from .backbones import (
    VGG,
    BNInception,
    InceptionResNetV2,
    InceptionV4,
    MobileNetV1,
    PreActResNet,
    ResNet,
    ResNeXt,
    ShakeShake,
    SmallCNN,
    SmallDenseNet,
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
from .se_networks import SEBNInception, SENet, SEResNet, SEResNeXt

__all__ = [
    'VGG',
    'AvgSqueeze',
    'BNInception',
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
    'ResNeXt',
    'ResNet',
    'SCSELayer',
    'SEBNInception',
    'SELayer',
    'SENet',
    'SEResNeXt',
    'SEResNet',
    'ShakeShake',
    'ShakeSum',
    'SmallCNN',
    'SmallDenseNet',
    'SpatialSELayer',
    'WideResNet',
    'insert_se',
    'with_se',
]
