"""Stages of a backbone for a feature pyramid, found by building and running it."""

import contextlib
import math
from collections.abc import Sequence
from itertools import count

import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope

from senet_mm.registry import MODELS
from senet_mm.utils.meta import run_on_meta
from senet_mm.utils.names import counted

# Types in the project's configs that can be used, besides mmpretrain's with `out_indices`.
SERVED_BACKBONES = (
    *('ResNet', 'ResNeXt', 'PreActResNet', 'WideResNet', 'ShakeShake', 'SmallCNN'),
    'SmallDenseNet',
    *('BNInception', 'InceptionV4', 'InceptionResNetV2', 'MobileNetV1', 'ShuffleNetV1'),
    *('DenseNet', 'VGG'),
)
SIDE = 512  # side of the image on which strides are measured, pixels
LEVELS = 4  # maps of a backbone that go into a pyramid by default


def find_strides(backbone: ConfigDict, where: str) -> list[int]:
    """Strides of a backbone's stages, as powers of two, in the order of ``out_indices``.

    Args:
        backbone: Its config, which can be built.
        where: Name of the network's config, for messages.

    Raises:
        ValueError: It has no ``out_indices``, or does not take RGB images.
    """
    if (channels := backbone.get('in_channels', 3)) != 3:
        raise ValueError(
            f'config {where}: {backbone.type} takes images of {counted(channels, "channel")}; '
            'allowed in a detector: 3, RGB'
        )
    strides: list[int] = []
    for index in count():
        stride = _get_stride(backbone, index)
        if stride is None:
            break
        strides.append(stride)
    if not strides:
        raise ValueError(
            f'config {where}: {backbone.type} does not return maps by stage (out_indices), which a '
            f'feature pyramid needs; allowed: {", ".join(SERVED_BACKBONES)}, or another such '
            'backbone of mmpretrain'
        )
    return strides


def _get_stride(backbone: ConfigDict, index: int) -> int | None:
    """The stride of a stage; None if there is no such stage."""
    maps = None
    for device in ('meta', 'cpu'):  # some constructors compute with tensors
        with (
            contextlib.suppress(Exception),  # ValueError, AssertionError, TypeError, ...
            torch.random.fork_rng(devices=[]),
            torch.device(device),
            DefaultScope.overwrite_default_scope('senet_mm'),
        ):
            network = MODELS.build(dict(without_classifier(backbone), out_indices=[index]))
            maps = run_on_meta(network, (3, SIDE, SIDE))
            break
    if not isinstance(maps, Sequence) or len(maps) != 1 or maps[0].dim() != 4:
        return None
    return 2 ** round(math.log2(SIDE / maps[0].shape[-1]))


def without_classifier(backbone: ConfigDict) -> ConfigDict:
    """The config of a backbone that classifies (VGG), without its classifier."""
    return backbone | dict(num_classes=-1) if 'num_classes' in backbone else backbone


def choose_stages(strides: Sequence[int]) -> tuple[int, ...]:
    """The last stage of every stride, of the coarsest ``LEVELS`` strides."""
    last = {stride: index for index, stride in enumerate(strides)}
    return tuple(sorted(last.values())[-LEVELS:])


def check_stages(out_indices: object, strides: Sequence[int]) -> tuple[int, ...]:
    """``out_indices`` as a tuple.

    Raises:
        ValueError: They are no ascending sequence of stages.
    """
    stages = range(len(strides))
    given = tuple(out_indices) if isinstance(out_indices, Sequence) else ()
    if not given or any(index not in stages for index in given) or sorted(set(given)) != [*given]:
        raise ValueError(
            f'out_indices={out_indices!r}; allowed: a sequence of stages from 0 to '
            f'{len(strides) - 1} (strides {", ".join(map(str, strides))}), ascending'
        )
    return given
