from .base import SlotBlock, StagedBackbone
from .bn_inception import Inception, SEBNInception
from .res_blocks import BasicBlock, BlockSpec, Bottleneck, ResBlock
from .se_resnet import SENet, SEResNet, SEResNeXt

__all__ = [
    'BasicBlock',
    'BlockSpec',
    'Bottleneck',
    'Inception',
    'ResBlock',
    'SEBNInception',
    'SENet',
    'SEResNeXt',
    'SEResNet',
    'SlotBlock',
    'StagedBackbone',
]
