from .base import Block, StagedBackbone
from .bn_inception import BNInception, Inception
from .inception import InceptionBlock, InceptionResNetBlock, InceptionResNetV2, InceptionV4
from .layered import LayeredBackbone
from .mobilenet_v1 import DepthwiseSeparable, MobileNetV1
from .preact_resnet import PreActBlock, PreActResNet, WideResNet
from .resnet import BasicBlock, BlockSpec, Bottleneck, ResidualBlock, ResNet
from .resnext import ResNeXt
from .shake_shake import ShakeBlock, ShakeShake
from .small_cnn import ConvBlock, SmallCNN
from .small_densenet import SmallDenseBlock, SmallDenseLayer, SmallDenseNet, SmallTransition
from .vgg import VGG

__all__ = [
    'VGG',
    'BNInception',
    'BasicBlock',
    'Block',
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
    'ResNeXt',
    'ResNet',
    'ResidualBlock',
    'ShakeBlock',
    'ShakeShake',
    'SmallCNN',
    'SmallDenseBlock',
    'SmallDenseLayer',
    'SmallDenseNet',
    'SmallTransition',
    'StagedBackbone',
    'WideResNet',
]
