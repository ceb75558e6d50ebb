"""The networks with SE by their usual names: a plain network and :func:`.insert_se`.

Our own configs have a plain backbone and ``model.se``. These classes are for Python and for
mmpretrain's configs. They have mmpretrain's arguments and defaults: fan-out initialisation, a zero
gain in the last norm of every block, hidden widths of SE that are multiples of 8.
"""

from collections.abc import Sequence
from typing import Unpack

from senet_mm.models.backbones import BNInception, ResNet, ResNeXt, StagedBackbone
from senet_mm.models.backbones.layered import StageOptions
from senet_mm.models.backbones.resnet import BLOCK_FIELDS, Stem
from senet_mm.models.recalibration import check_se, insert_se
from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_integer, check_mapping, check_option

# Kaiming with fan-out, which mmpretrain uses for the layers of SE as well.
FAN_OUT = dict(type='Kaiming', layer='Conv2d')
MMPRETRAIN_INIT = (FAN_OUT, dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']))


class ResNetOptions(StageOptions, total=False):
    """Arguments of :class:`ResNet` that :class:`SEResNet` hands on."""

    in_channels: int
    strides: Sequence[int] | None
    dilations: Sequence[int] | None
    norm_cfg: dict
    drop_path_rate: float


class SEResNetOptions(ResNetOptions, total=False):
    """Arguments of :class:`SEResNet` that its subclasses hand on."""

    se_ratio: int
    se: dict
    num_stages: int | None
    stem_channels: int | None
    deep_stem: bool
    base_channels: int | None
    expansion: int | None
    avg_down: bool
    style: str
    with_cp: bool
    zero_init_residual: bool
    conv_cfg: None
    stem: dict
    init_cfg: dict | Sequence[dict] | None


class SENetOptions(SEResNetOptions, total=False):
    """Arguments of :class:`SEResNet` that :class:`SENet` hands on."""

    block: dict


class BNInceptionOptions(StageOptions, total=False):
    """Arguments of :class:`BNInception` that :class:`SEBNInception` hands on."""

    init_cfg: dict | Sequence[dict] | None
    in_channels: int
    norm_cfg: dict
    with_cp: bool


def add_se(backbone: StagedBackbone, plain: type, layer: dict, se: dict) -> None:
    """Put SE into a network of this module.

    Args:
        backbone: The network without SE.
        plain: The class that has it.
        layer: Config of the layer, unless ``se`` has one.
        se: Arguments of :func:`.insert_se`.

    Raises:
        ValueError: ``se`` is something else.
    """
    try:
        check_se(se)
    except InputError as error:
        raise InputError(f'{error}; the network without SE is {plain.__name__}') from None
    insert_se(backbone, **{'layer': layer, **se})


def stem_of(stem: Stem, channels: int | None, deep: bool, given: dict) -> dict:
    """Fields of a stem: mmpretrain's ``stem_channels`` and ``deep_stem``, then those given."""
    check_option('deep_stem', deep, (True, False))
    check_mapping('stem', given, Stem._fields)
    channels = channels or stem.channels[-1]
    if deep:
        return dict(channels=(channels // 2, channels // 2, channels), kernel_size=3) | given
    return dict(channels=(*stem.channels[:-1], channels)) | given


def check_se_numbers(se_ratio: int, stem_channels: int | None, base_channels: int | None) -> None:
    """Raise an InputError for a number of mmpretrain's that is out of its range."""
    check_integer('se_ratio', se_ratio)
    for name, given in dict(stem_channels=stem_channels, base_channels=base_channels).items():
        if given is not None:
            check_integer(name, given)


@MODELS.register_module()
class SEResNet(ResNet):
    """SE-ResNet with mmpretrain's arguments and defaults (Hu et al., arXiv:1709.01507, table 1).

    Args:
        depth: Depth of the network, a key of ``arch_settings``.
        se_ratio: Reduction ratio of the layers.
        se: Arguments of :func:`.insert_se`: ``layer``, ``position``, ``stages``, ``stage_cfg``.
        num_stages: Number of stages, by default all of the depth.
        stem_channels: Output channels of the stem.
        deep_stem: Three 3x3 convolutions in the place of one 7x7.
        base_channels: Base width of the first stage.
        expansion: Output channels of a block by its base width; None is the block's own.
        style, with_cp, zero_init_residual, block: See :class:`ResNet`.
        avg_down: Average before the 1x1 convolution of a shortcut, which then does not stride.
        conv_cfg: None; these networks have plain convolutions.
        init_cfg: Initialisation.
        **kwargs: Other arguments of :class:`ResNet`: ``in_channels``, ``strides``, ``dilations``,
            ``out_indices``, ``frozen_stages``, ``norm_cfg``, ``norm_eval``, ``drop_path_rate``
            (which mmpretrain's blocks with SE leave out).

    Raises:
        ValueError: An argument is out of its range.
    """

    plain: type = ResNet

    def __init__(
        self,
        depth: int,
        se_ratio: int = 16,
        se: dict = dict(),
        num_stages: int | None = None,
        stem_channels: int | None = None,
        deep_stem: bool = False,
        base_channels: int | None = None,
        expansion: int | None = None,
        avg_down: bool = False,
        style: str = 'pytorch',
        with_cp: bool = False,
        zero_init_residual: bool = True,
        conv_cfg: None = None,
        stem: dict = dict(),
        block: dict = dict(),
        init_cfg: dict | Sequence[dict] | None = MMPRETRAIN_INIT,
        **kwargs: Unpack[ResNetOptions],
    ) -> None:
        check_option('depth', depth, sorted(self.arch_settings))
        arch = self.arch_settings[depth]
        check_option('num_stages', num_stages, (None, *range(1, len(arch.num_blocks) + 1)))
        check_option('conv_cfg', conv_cfg, (None,))
        check_option('expansion', expansion, (None, arch.block.expansion))
        check_option('avg_down', avg_down, (True, False))
        check_se_numbers(se_ratio, stem_channels, base_channels)
        check_mapping('block', block, BLOCK_FIELDS)
        own = dict(
            style=style,
            dilate_first=True,
            zero_init_residual=zero_init_residual,
            with_cp=with_cp,
        ) | (dict(downsample='avg_pool') if avg_down else {})
        stem = stem_of(arch.stem, stem_channels, deep_stem, stem)
        planes, num_blocks = base_channels or arch.planes, arch.num_blocks[:num_stages]
        arch = arch._replace(num_blocks=num_blocks, planes=planes)
        super().__init__(arch, stem=stem, block=own | block, init_cfg=init_cfg, **kwargs)
        layer = dict(type='SELayer', ratio=se_ratio, divisor=8, init_cfg=FAN_OUT)
        add_se(self, self.plain, layer, se)


@MODELS.register_module()
class SEResNeXt(SEResNet):
    """SE-ResNeXt; arguments as :class:`SEResNet`.

    Args:
        depth: Depth of the network, a key of ``arch_settings``.
        groups: Groups of the 3x3 convolutions; None is the depth's own, 32 (8 at depth 29).
        width_per_group: Channels per group in the first stage; None is the depth's own, 4 (64).
        block: See :class:`ResNet`.
        **kwargs: See :class:`SEResNet`.
    """

    plain = ResNeXt
    arch_settings = {depth: ResNeXt.arch_settings[depth] for depth in (29, 50, 101, 152, 200, 269)}

    def __init__(
        self,
        depth: int,
        groups: int | None = None,
        width_per_group: int | None = None,
        block: dict = dict(),
        **kwargs: Unpack[SEResNetOptions],
    ) -> None:
        given = dict(groups=groups, width_per_group=width_per_group)
        own = {name: value for name, value in given.items() if value is not None}
        check_mapping('block', block, BLOCK_FIELDS)
        super().__init__(depth, block=own | block, **kwargs)


@MODELS.register_module()
class SENet(SEResNet):
    """SENet-154 (paper, appendix); arguments as :class:`SEResNet`."""

    plain = ResNeXt
    arch_settings = {154: ResNeXt.arch_settings[154]}

    def __init__(self, depth: int = 154, **kwargs: Unpack[SENetOptions]) -> None:
        super().__init__(depth, **kwargs)


@MODELS.register_module()
class SEBNInception(BNInception):
    """SE-BN-Inception (paper, table 2): :class:`BNInception` with SE in its ten modules.

    Args:
        se: Arguments of :func:`.insert_se`: ``layer``, ``stages``, ``stage_cfg``.
        **kwargs: Arguments of :class:`BNInception`.
    """

    def __init__(self, se: dict = dict(), **kwargs: Unpack[BNInceptionOptions]) -> None:
        super().__init__(**kwargs)
        add_se(self, BNInception, dict(type='SELayer', ratio=16), se)
