"""ResNet as the paper draws it, without SE: blocks, stem, stages; variants are data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple

import numpy as np
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from senet_mm.models.scoped_init import loads_checkpoint
from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import (
    check_integer,
    check_integers,
    check_mapping,
    check_option,
    check_rate,
)

from .base import HE_FAN_IN, Block, StagedBackbone, build_norm

STYLES = ('pytorch', 'caffe')
DOWNSAMPLES = ('conv1x1', 'conv3x3', 'avg_pool', 'pad', 'avg_pool_pad')


@dataclass(frozen=True)
class BlockSpec:
    """What all blocks of one network share.

    Attributes:
        groups: Groups of the 3x3 convolution of a bottleneck.
        width_per_group: Channels per group in the first stage (4 in "32x4d"); None is the base
            width of the stage.
        constant_width: The 3x3 convolution of a bottleneck has the width of the first stage in all
            stages (taki0112/SENet-Tensorflow).
        expansion: Output channels of a bottleneck by its planes.
        halve_conv1: The first 1x1 convolution has half the width of the 3x3 (SENet-154).
        style: ``caffe`` strides in the first 1x1 convolution, ``pytorch`` in the 3x3.
        downsample: Shortcut of a block that changes shape: a strided ``conv1x1``; ``conv3x3`` where
            it strides, else 1x1 (SENet-154); ``avg_pool`` before a 1x1 (ResNet-D); ``pad``:
            subsampled and padded with zero channels (option A of the CIFAR ResNets);
            ``avg_pool_pad``: averaged and padded with zero channels (taki0112/SENet-Tensorflow).
        project_first: The first block of every stage has a shortcut of its own, even if it does not
            change shape, as in the first stage of ResNet-18 and 34 (bruinxiong/SENet.mxnet).
        dilate_first: The first block of a stage is dilated like the others, as in mmpretrain; else
            its first 3x3 convolution has the dilation of the stage before, as in torchvision.
        zero_init_residual: Start with a zero gain in the last norm of every block.
        with_cp: Recompute a block in the backward pass instead of storing its activations.
        base_planes: Planes of the first stage, to which ``width_per_group`` refers.
        norm_cfg: Normalisation layer.
    """

    groups: int = 1
    width_per_group: int | None = None
    constant_width: bool = False
    expansion: int = 4
    halve_conv1: bool = False
    style: str = 'pytorch'
    downsample: str = 'conv1x1'
    project_first: bool = False
    dilate_first: bool = False
    zero_init_residual: bool = False
    with_cp: bool = False
    base_planes: int = 64
    norm_cfg: dict = field(default_factory=lambda: dict(type='BN'))

    def __post_init__(self) -> None:
        check_option('style', self.style, STYLES)
        check_option('downsample', self.downsample, DOWNSAMPLES)
        check_integer('groups', self.groups)
        check_integer('expansion', self.expansion)
        if self.width_per_group is not None:
            check_integer('width_per_group', self.width_per_group)
        for switch in fields(self):
            if switch.type is bool:
                check_option(switch.name, getattr(self, switch.name), (True, False))

    def norm(self, channels: int) -> nn.Module:
        return build_norm(self.norm_cfg, channels)

    def first_dilation(self, dilations: Sequence[int], stage: int) -> int:
        """Dilation of the first 3x3 convolution of a stage.

        In torchvision's networks it is that of the stage before, whose map this convolution reads.

        Args:
            dilations: Dilations of all stages.
            stage: The stage, from 0.
        """
        like_others = self.dilate_first or self.style == 'caffe'
        return dilations[stage if like_others else max(stage - 1, 0)]


# Fields that a basic block does not have.
OF_BOTTLENECKS = ('groups', 'width_per_group', 'constant_width', 'expansion', 'halve_conv1')

# Fields that a config may set; the network sets the other two.
BLOCK_FIELDS = [
    field.name for field in fields(BlockSpec) if field.name not in ('base_planes', 'norm_cfg')
]


def check_basic(spec: BlockSpec) -> None:
    """Raise an InputError if a spec is one of bottlenecks."""
    wrong = [name for name in OF_BOTTLENECKS if getattr(spec, name) != getattr(BlockSpec, name)]
    if wrong:
        given, allowed = (
            ', '.join(f'{name}={getattr(source, name)}' for name in wrong)
            for source in (spec, BlockSpec)
        )
        raise InputError(f'{given}: for bottlenecks alone; allowed in basic blocks: {allowed}')


def make_pool(stride: int) -> nn.Module:
    """The average of windows as large as the stride; those at the edge average what they have."""
    return nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)


class PadShortcut(nn.Module):
    """Identity shortcut across a change of shape: (N, C, H, W) -> (N, C', ceil(H/s), ceil(W/s)).

    He et al., arXiv:1512.03385, section 3.3, option A: no parameters, new channels are zero.

    Args:
        in_channels: C.
        out_channels: C'.
        stride: s.
        average: Average windows of s times s instead of taking their first pixel.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, average: bool = False
    ) -> None:
        super().__init__()
        self.new_channels = out_channels - in_channels
        self.stride = stride
        self.pool = make_pool(stride) if average else None

    def forward(self, x: Tensor) -> Tensor:
        before = self.new_channels // 2
        x = x[:, :, :: self.stride, :: self.stride] if self.pool is None else self.pool(x)
        return F.pad(x, (0, 0, 0, 0, before, self.new_channels - before))


def make_downsample(
    spec: BlockSpec, in_channels: int, out_channels: int, stride: int
) -> nn.Module | None:
    """The shortcut of a block; None where input and output have one shape."""
    if stride == 1 and in_channels == out_channels and not spec.project_first:
        return None
    if spec.downsample.endswith('pad'):
        average = spec.downsample == 'avg_pool_pad'
        return PadShortcut(in_channels, out_channels, stride, average)
    layers = []
    if spec.downsample == 'avg_pool' and stride > 1:
        layers = [make_pool(stride)]
        stride = 1
    kernel = 3 if spec.downsample == 'conv3x3' and stride > 1 else 1
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(*layers, conv, spec.norm(out_channels))


def make_drop_path(rate: float) -> nn.Module:
    """Stochastic depth (arXiv:1603.09382); nothing at a rate of 0."""
    return DropPath(rate) if rate > 0 else nn.Identity()


class ResidualBlock(Block):
    """Base class of the two kinds of residual blocks."""

    relu: nn.Module
    drop_path: nn.Module
    downsample: nn.Module | None

    @property
    def last_norm(self) -> nn.Module:
        """The norm whose gain ``zero_init_residual`` sets to 0."""
        raise NotImplementedError


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions (ResNet-18 and 34, the CIFAR ResNets).

    Args:
        in_channels: Channels of the input.
        planes: Width of the stage, and channels of the output.
        stride: Stride of the block.
        spec: What all blocks of the network share.
        dilation: Dilation of the stage.
        first_dilation: Dilation of the first 3x3 convolution.
        drop_path_rate: Probability of dropping the residual branch of a sample in training.

    Raises:
        ValueError: The spec is one of bottlenecks.
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int = 1,
        spec: BlockSpec = BlockSpec(),
        dilation: int = 1,
        first_dilation: int = 1,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__(planes, spec.with_cp)
        check_basic(spec)
        self.conv1 = nn.Conv2d(
            in_channels, planes, 3, stride, first_dilation, first_dilation, bias=False
        )
        self.bn1 = spec.norm(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, dilation, dilation, bias=False)
        self.bn2 = spec.norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.se = nn.Identity()
        self.drop_path = make_drop_path(drop_path_rate)
        self.downsample = make_downsample(spec, in_channels, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block, (N, C, H, W) -> (N, C', H/s, W/s)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out = self.drop_path(self.se(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(out + shortcut)

    @property
    def last_norm(self) -> nn.Module:
        """The norm whose gain ``zero_init_residual`` sets to 0."""
        return self.bn2


class Bottleneck(ResidualBlock):
    """1x1, 3x3 (grouped in ResNeXt), 1x1 with the planes times the expansion, 4 by default.

    Args:
        in_channels: Channels of the input.
        planes: Base width of the stage, of which the output is a multiple.
        stride: Stride of the block.
        spec: What all blocks of the network share.
        dilation: Not used: a bottleneck has one 3x3 convolution, with ``first_dilation``.
        first_dilation: Dilation of the 3x3 convolution.
        drop_path_rate: Probability of dropping the residual branch of a sample in training.
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int = 1,
        spec: BlockSpec = BlockSpec(),
        dilation: int = 1,
        first_dilation: int = 1,
        drop_path_rate: float = 0.0,
    ) -> None:
        out_channels = planes * spec.expansion
        super().__init__(out_channels, spec.with_cp)
        width_per_group = spec.width_per_group or spec.base_planes
        wide = spec.base_planes if spec.constant_width else planes
        width = wide * width_per_group // spec.base_planes * spec.groups
        reduced = width // 2 if spec.halve_conv1 else width
        stride1, stride2 = (stride, 1) if spec.style == 'caffe' else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, reduced, 1, stride1, bias=False)
        self.bn1 = spec.norm(reduced)
        self.conv2 = nn.Conv2d(
            reduced, width, 3, stride2, first_dilation, first_dilation, spec.groups, bias=False
        )
        self.bn2 = spec.norm(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = spec.norm(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.se = nn.Identity()
        self.drop_path = make_drop_path(drop_path_rate)
        self.downsample = make_downsample(spec, in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block, (N, C, H, W) -> (N, C', H/s, W/s)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out = self.drop_path(self.se(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(out + shortcut)

    @property
    def last_norm(self) -> nn.Module:
        """The norm whose gain ``zero_init_residual`` sets to 0."""
        return self.bn3


# `pad1` is torchvision's, `ceil` Caffe's: equal output shapes, windows shifted by one pixel.
POOLS: dict[str | None, Callable[[], nn.Module]] = {
    None: nn.Identity,
    'pad1': lambda: nn.MaxPool2d(3, 2, padding=1),
    'ceil': lambda: nn.MaxPool2d(3, 2, padding=0, ceil_mode=True),
}


class Stem(NamedTuple):
    """Convolutions before the first stage: the first one strides, all share the kernel size."""

    channels: tuple[int, ...] = (64,)
    kernel_size: int = 7
    stride: int = 2
    pool: str | None = 'pad1'

    def replace(self, fields: dict) -> 'Stem':
        """A stem with other fields; an unknown field or pool is a ValueError."""
        check_mapping('stem', fields, self._fields)
        stem = self._replace(**fields)
        check_integers('stem channels', stem.channels)
        check_integer('stem kernel_size', stem.kernel_size)
        check_integer('stem stride', stem.stride)
        check_option('stem pool', stem.pool, POOLS)
        return stem


# The stem of networks for small images.
SMALL_STEM = Stem(kernel_size=3, stride=1, pool=None)


class Arch(NamedTuple):
    """The architecture that a depth names.

    Attributes:
        block: Class of the blocks.
        num_blocks: Blocks of every stage.
        planes: Base width of the first stage; it doubles from stage to stage.
        stem: The stem.
        spec: Fields of :class:`BlockSpec` that differ from their defaults.
    """

    block: type[BasicBlock | Bottleneck]
    num_blocks: tuple[int, ...]
    planes: int = 64
    stem: Stem = Stem()
    spec: dict = {}


def small_arch(depth: int) -> Arch:
    """A CIFAR ResNet of depth 6n + 2 (He et al., arXiv:1512.03385, section 4.2)."""
    stem = SMALL_STEM._replace(channels=(16,))
    return Arch(BasicBlock, ((depth - 2) // 6,) * 3, 16, stem, dict(downsample='pad'))


def small_bottleneck_arch(depth: int) -> Arch:
    """A CIFAR ResNet of bottlenecks, of depth 9n + 2 (He et al., arXiv:1603.05027, section 4)."""
    stem = SMALL_STEM._replace(channels=(16,))
    return Arch(Bottleneck, ((depth - 2) // 9,) * 3, 16, stem)


def per_stage(name: str, given: Sequence[int] | None, default: Sequence[int]) -> tuple[int, ...]:
    """One value per stage; another number of values is a ValueError."""
    check_integers(name, default if given is None else given)
    values = tuple(default if given is None else given)
    if len(values) != len(default):
        raise InputError(
            f'{name}={values} has {len(values)} values; allowed: {len(default)}, one for each stage'
        )
    return values


def make_spec(arch: Arch, given: dict, norm_cfg: dict) -> BlockSpec:
    """What the blocks share: fields given in ``block``, else the depth's own."""
    check_mapping('block', given, BLOCK_FIELDS)
    return BlockSpec(base_planes=arch.planes, norm_cfg=norm_cfg, **{**arch.spec, **given})


@MODELS.register_module()
class ResNet(StagedBackbone):
    """ResNet (He et al., arXiv:1512.03385), with a place for SE in every block.

    Depths 18 to 152 are the ImageNet networks, 8 to 110 (6n + 2) those for small images; 29 and 164
    (9n + 2) have bottlenecks and are for small images, too. The state dict has torchvision's names;
    a deep stem has ``stem.k.conv/bn``.

    Args:
        depth: Depth of the network, a key of ``arch_settings``, or another :class:`Arch`.
        in_channels: Channels of the input image.
        stem: Fields of :class:`Stem` that differ from the depth's own: ``channels`` (more than one
            makes a deep stem), ``kernel_size``, ``stride``, ``pool`` (``pad1``, ``ceil``, None).
        block: Fields of :class:`BlockSpec` that differ from the depth's own: ``groups``,
            ``width_per_group``, ``style``, ``downsample``, ``zero_init_residual``, ``with_cp``, ...
        strides: Stride of each stage, by default 1, 2, 2, ...
        dilations: Dilation of the 3x3 convolutions of each stage, by default 1.
            ``strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)`` gives maps of stride 8. Every fourth
            value of a row or column is that of the network with strides.
        norm_cfg: Normalisation layer.
        drop_path_rate: Stochastic depth: rate of the last block, growing linearly from 0.
        out_indices: Stages whose output is returned, from 0.
        frozen_stages: -1 freezes nothing, 0 the stem, k the stem and k stages.
        norm_eval: Keep the batch norms on their running statistics in training.
        init_cfg: Initialisation; the default is He's with fan-in, as in the paper and in Caffe.

    Raises:
        ValueError: An argument is out of its range.
    """

    arch_settings: dict[int, Arch] = {
        18: Arch(BasicBlock, (2, 2, 2, 2)),
        34: Arch(BasicBlock, (3, 4, 6, 3)),
        50: Arch(Bottleneck, (3, 4, 6, 3)),
        101: Arch(Bottleneck, (3, 4, 23, 3)),
        152: Arch(Bottleneck, (3, 8, 36, 3)),
        **{depth: small_arch(depth) for depth in (8, 20, 32, 44, 56, 110)},
        **{depth: small_bottleneck_arch(depth) for depth in (29, 164)},
    }
    elsewhere = {
        **StagedBackbone.elsewhere,
        **{name: f'block=dict({name}=...)' for name in BLOCK_FIELDS},
        'stem_channels': 'stem=dict(channels=(64,))',
        'deep_stem': 'stem=dict(channels=(32, 32, 64), kernel_size=3)',
    }

    def __init__(
        self,
        depth: int | Arch,
        in_channels: int = 3,
        stem: dict = dict(),
        block: dict = dict(),
        strides: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        norm_cfg: dict = dict(type='BN'),
        drop_path_rate: float = 0.0,
        out_indices: tuple[int, ...] = (-1,),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict | Sequence[dict] | None = HE_FAN_IN,
    ) -> None:
        if not isinstance(depth, Arch):
            check_option('depth', depth, sorted(self.arch_settings))
        arch = depth if isinstance(depth, Arch) else self.arch_settings[depth]
        check_integer('in_channels', in_channels)
        check_rate('drop_path_rate', drop_path_rate)
        num_stages = len(arch.num_blocks)
        super().__init__(num_stages, out_indices, frozen_stages, norm_eval, init_cfg)
        self.spec = make_spec(arch, block, norm_cfg)
        strides = per_stage('strides', strides, (1,) + (2,) * (num_stages - 1))
        dilations = per_stage('dilations', dilations, (1,) * num_stages)
        rates = iter(np.linspace(0, drop_path_rate, sum(arch.num_blocks)).tolist())
        channels = self._make_stem(in_channels, arch.stem.replace(stem))
        for i, num_blocks in enumerate(arch.num_blocks):
            planes, dilation = arch.planes * 2**i, dilations[i]
            stride, first = strides[i], self.spec.first_dilation(dilations, i)
            blocks, spec = [], self.spec
            for _ in range(num_blocks):
                blocks.append(
                    arch.block(channels, planes, stride, spec, dilation, first, next(rates))
                )
                channels, stride, first = blocks[-1].out_channels, 1, dilation
                spec = replace(spec, project_first=False)
            self.add_module(f'layer{i + 1}', nn.Sequential(*blocks))
        self._freeze_stages()

    @classmethod
    def write_out(cls, config: dict) -> dict:
        """A config of this class with the depth's own fields of ``stem`` and ``block``, too."""
        depth = config.get('depth')
        arch = cls.arch_settings.get(depth) if isinstance(depth, int) else None
        stem, block = config.get('stem'), config.get('block')
        if arch is None or not isinstance(stem, dict) or not isinstance(block, dict):
            return config
        own = {field.name: field.default for field in fields(BlockSpec)} | arch.spec
        del own['norm_cfg'], own['base_planes']
        return {**config, 'stem': arch.stem._asdict() | stem, 'block': own | block}

    @property
    def stages(self) -> Sequence[Sequence[nn.Sequential]]:
        """The stages, ``layer1`` first."""
        return [[module] for name, module in self.named_children() if name.startswith('layer')]

    @property
    def blocks(self) -> list[ResidualBlock]:
        """All blocks in order."""
        blocks = (block for [layer] in self.stages for block in layer)
        return [block for block in blocks if isinstance(block, ResidualBlock)]

    def _make_stem(self, in_channels: int, stem: Stem) -> int:
        """Create the stem; returns its number of output channels."""
        layers = []
        for i, channels in enumerate(stem.channels):
            stride, padding = (1 if i else stem.stride), stem.kernel_size // 2
            conv = nn.Conv2d(in_channels, channels, stem.kernel_size, stride, padding, bias=False)
            layers.append(nn.ModuleDict(dict(conv=conv, bn=self.spec.norm(channels))))
            in_channels = channels
        self.deep_stem = len(layers) > 1
        if self.deep_stem:
            self.stem = nn.ModuleList(layers)
        else:
            self.conv1, self.bn1 = layers[0]['conv'], layers[0]['bn']
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = POOLS[stem.pool]()
        return in_channels

    @property
    def stem_layers(self) -> list[tuple[nn.Module, nn.Module]]:
        """The stem's convolutions, each with its norm."""
        if self.deep_stem:
            return [(layer.get_submodule('conv'), layer.get_submodule('bn')) for layer in self.stem]
        return [(self.conv1, self.bn1)]

    @property
    def stem_modules(self) -> list[nn.Module]:
        """The stem's convolutions and norms."""
        return [module for layer in self.stem_layers for module in layer]

    def init_weights(self) -> None:
        """Initialise the network, with a zero gain in the last norms if ``zero_init_residual``."""
        super().init_weights()
        if self.spec.zero_init_residual and not loads_checkpoint(self):
            for block in self.blocks:
                nn.init.zeros_(block.last_norm.get_parameter('weight'))

    def forward_stem(self, x: Tensor) -> Tensor:
        """The input of ``layer1`` for an image (N, C, H, W)."""
        for conv, norm in self.stem_layers:
            x = self.relu(norm(conv(x)))
        return self.maxpool(x)
