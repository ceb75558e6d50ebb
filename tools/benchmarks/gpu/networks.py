"""SE-ResNet-50 of this project and of its peers, or tiny networks that stand in for them."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mmengine.registry import init_default_scope
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.common import SE, classifier

from senet_mm.models.backbones.resnet import Arch, Bottleneck
from senet_mm.ops import fuse_tails

init_default_scope('senet_mm')

OURS = dict(type='ResNet', depth=50)
MMPRETRAIN = dict(type='mmpretrain.SEResNet', depth=50)
# Two bottlenecks, in mmpretrain seven; 64 channels at the end.
TINY = dict(type='ResNet', depth=Arch(Bottleneck, (1, 1), 8), stem=dict(channels=(8,)))
TINY_MMPRETRAIN = dict(
    MMPRETRAIN, num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(1,), base_channels=8,
    stem_channels=8,
)  # fmt: skip
TINY_TIMM = dict(layers=(1, 1, 1, 1), channels=(8, 16, 32, 64))


def ours(small: bool, implementation: str, lean: bool = False, se: bool = True) -> nn.Module:
    """This project's network; its blocks get a form without a trial.

    Args:
        small: Whether it is the tiny one.
        implementation: Form of the blocks, see :func:`.fuse_tails`.
        lean: Compute rectified maps again.
        se: Whether it has SE.
    """
    model = classifier(TINY if small else OURS, SE if se else None, 64 if small else 2048)
    fuse_tails(model, None, implementation, lean)
    return model


def peers(small: bool) -> dict[str, Callable[[], nn.Module]]:
    """Makers of the same network of others."""
    import timm

    backbone, channels = (TINY_MMPRETRAIN, 64) if small else (MMPRETRAIN, 2048)
    return {
        'mmpretrain': partial(classifier, backbone, None, channels),
        'timm': partial(timm.create_model, 'seresnet50', **(TINY_TIMM if small else {})),
    }
