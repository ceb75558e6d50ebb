from .base import SlotBlock, StagedBackbone
from .bn_inception import Inception, SEBNInception
from .inception import InceptionBlock, InceptionResNetBlock, InceptionResNetV2, InceptionV4
from .layered import LayeredBackbone
from .mobilenet_v1 import DepthwiseSeparable, MobileNetV1
from .preact_resnet import PreActBlock, PreActResNet, WideResNet
from .res_blocks import BasicBlock, BlockSpec, Bottleneck, ResBlock
from .se_resnet import SENet, SEResNet, SEResNeXt
from .shake_shake import ShakeBlock, ShakeShake
from .small_cnn import ConvBlock, SmallCNN
from .vgg import VGG

__all__ = [
    'VGG',
    'BasicBlock',
    'BlockSpec',
    'Bottleneck',
    'ConvBlock',
    'DepthwiseSeparable',
    'Inception',
    'InceptionBlock',
    'InceptionResNetBlock',
    'InceptionResNetV2',
    'InceptionV4',
    'LayeredBackbone',
    'MobileNetV1',
    'PreActBlock',
    'PreActResNet',
    'ResBlock',
    'SEBNInception',
    'SENet',
    'SEResNeXt',
    'SEResNet',
    'ShakeBlock',
    'ShakeShake',
    'SlotBlock',
    'SmallCNN',
    'StagedBackbone',
    'WideResNet',
]
