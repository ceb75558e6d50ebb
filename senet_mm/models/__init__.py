from .backbones import SEBNInception, SENet, SEResNet, SEResNeXt
from .classifiers import ImageClassifier
from .heads import LinearClsHead
from .layers import AvgSqueeze, MaxSqueeze, NoSqueeze, SELayer
from .recalibration import insert_se, with_se

__all__ = [
    'AvgSqueeze',
    'ImageClassifier',
    'LinearClsHead',
    'MaxSqueeze',
    'NoSqueeze',
    'SEBNInception',
    'SELayer',
    'SENet',
    'SEResNeXt',
    'SEResNet',
    'insert_se',
    'with_se',
]
