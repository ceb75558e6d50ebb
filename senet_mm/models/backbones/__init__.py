from .base import SlotBlock, StagedBackbone
from .res_blocks import BasicBlock, BlockSpec, Bottleneck, ResBlock
from .se_resnet import SENet, SEResNet, SEResNeXt

__all__ = [
    'BasicBlock',
    'BlockSpec',
    'Bottleneck',
    'ResBlock',
    'SENet',
    'SEResNeXt',
    'SEResNet',
    'SlotBlock',
    'StagedBackbone',
]
