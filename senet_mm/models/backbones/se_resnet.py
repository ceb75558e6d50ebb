"""The SE-ResNet family: every variant is data."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from senet_mm.models.scoped_init import loads_checkpoint
from senet_mm.registry import MODELS
from senet_mm.utils.options import check_option

from .base import HE_FAN_IN, StagedBackbone
from .res_blocks import BasicBlock, BlockSpec, Bottleneck, ResBlock

# `pad1` is torchvision's, `ceil` Caffe's: the same output shape, windows shifted by one pixel.
POOLS = {
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
        for name in fields:
            check_option('stem field', name, self._fields)
        stem = self._replace(**fields)
        check_option('stem pool', stem.pool, POOLS)
        return stem


class Arch(NamedTuple):
    """What the depth of a network stands for."""

    block: type[ResBlock]
    num_blocks: tuple[int, ...]
    planes: int = 64
    stem: Stem = Stem()
    downsample: str = 'conv1x1'


def small_arch(depth: int) -> Arch:
    """A CIFAR ResNet of depth 6n + 2 (He et al., arXiv:1512.03385, section 4.2)."""
    stem = Stem(channels=(16,), kernel_size=3, stride=1, pool=None)
    return Arch(BasicBlock, ((depth - 2) // 6,) * 3, 16, stem, 'pad')


def per_stage(name: str, given: Sequence[int] | None, default: Sequence[int]) -> tuple[int, ...]:
    """A value for each stage; a wrong number of them is a ValueError."""
    values = tuple(default if given is None else given)
    if len(values) != len(default):
        raise ValueError(
            f'{name}={values} has {len(values)} values; allowed: {len(default)}, one for each stage'
        )
    return values


def dilate(block: ResBlock, dilation: int, first: int | None = None) -> None:
    """Dilate the 3x3 convolutions of a block, the first of them by ``first`` where that is given.

    The first one is where a stage would stride: it still sees the map of the stage before.
    """
    convs = [conv for conv in block.children() if isinstance(conv, nn.Conv2d)]
    convs = [conv for conv in convs if conv.kernel_size == (3, 3)]
    for i, conv in enumerate(convs):
        value = first if i == 0 and first is not None else dilation
        conv.dilation = conv.padding = (value, value)


@MODELS.register_module()
class SEResNet(StagedBackbone):
    """ResNet with a recalibration layer in every block (Hu et al., arXiv:1709.01507, table 1).

    Depths 18 to 152 are the ImageNet networks, 8 to 110 (6n + 2) those for small images. The
    state dict has torchvision's names plus ``layerL.i.se.*``; a deep stem has ``stem.k.conv/bn``.

    Args:
        depth: Depth of the network, a key of ``arch_settings``.
        in_channels: Channels of the input image.
        stem: Fields of :class:`Stem` that differ from the depth's own: ``channels`` (more than one
            makes a deep stem), ``kernel_size``, ``stride``, ``pool`` (``pad1``, ``ceil``, None).
        groups, width_per_group, halve_conv1, style, with_cp, tail, lean: See :class:`BlockSpec`.
        downsample: See :class:`BlockSpec`; None is the depth's own.
        strides: Stride of each stage, by default 2 but for the first.
        dilations: Dilation of the 3x3 convolutions of each stage, by default 1.
            ``strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)`` gives maps of stride 8, every fourth
            value of which is that of the strided plain network.
        se: Recalibration layer of the blocks, built with ``channels``; None is the plain network.
        norm_cfg: Normalisation layer.
        drop_path_rate: Stochastic depth: rate of the last block, growing linearly from 0.
        zero_init_residual: Start with a zero gain in the last norm of every block.
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
    }

    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
        stem: dict | None = None,
        groups: int = 1,
        width_per_group: int = 64,
        halve_conv1: bool = False,
        style: str = 'pytorch',
        downsample: str | None = None,
        strides: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        se: dict | None = dict(type='SELayer', ratio=16),
        norm_cfg: dict = dict(type='BN'),
        drop_path_rate: float = 0.0,
        zero_init_residual: bool = False,
        out_indices: tuple[int, ...] = (-1,),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        tail: str = 'auto',
        lean: bool = False,
        init_cfg: dict | Sequence[dict] | None = HE_FAN_IN,
    ) -> None:
        check_option('depth', depth, sorted(self.arch_settings))
        arch = self.arch_settings[depth]
        num_stages = len(arch.num_blocks)
        strides = per_stage('strides', strides, (1,) + (2,) * (num_stages - 1))
        dilations = per_stage('dilations', dilations, (1,) * num_stages)
        super().__init__(num_stages, out_indices, frozen_stages, norm_eval, init_cfg)
        spec = BlockSpec(
            groups=groups,
            width_per_group=width_per_group,
            halve_conv1=halve_conv1,
            style=style,
            downsample=downsample or arch.downsample,
            norm_cfg=norm_cfg,
            with_cp=with_cp,
            tail=tail,
            lean=lean,
        )
        self.zero_init_residual = zero_init_residual

        channels = self._make_stem(in_channels, arch.stem.replace(stem or {}), spec)
        drop_path_rates = iter(np.linspace(0, drop_path_rate, sum(arch.num_blocks)).tolist())
        for i, num_blocks in enumerate(arch.num_blocks):
            planes = arch.planes * 2**i
            blocks = []
            for stride in [strides[i]] + [1] * (num_blocks - 1):
                blocks.append(arch.block(channels, planes, stride, spec, next(drop_path_rates)))
                channels = blocks[-1].out_channels
                dilate(blocks[-1], dilations[i])
            if style == 'pytorch':  # `caffe` strides in the 1x1 before
                dilate(blocks[0], dilations[i], first=dilations[max(i - 1, 0)])
            self.add_module(f'layer{i + 1}', nn.Sequential(*blocks))
        if se is not None:
            for block in self.blocks:
                block.add_se(se)
        self._freeze()

    @property
    def stages(self) -> list[list[nn.Module]]:
        """The stages, ``layer1`` first."""
        return [[module] for name, module in self.named_children() if name.startswith('layer')]

    @property
    def blocks(self) -> list[ResBlock]:
        """All blocks in order."""
        return [block for [layer] in self.stages for block in layer]

    def _make_stem(self, in_channels: int, stem: Stem, spec: BlockSpec) -> int:
        """Create the stem; returns its number of output channels."""
        layers = []
        for i, channels in enumerate(stem.channels):
            stride, padding = (1 if i else stem.stride), stem.kernel_size // 2
            conv = nn.Conv2d(in_channels, channels, stem.kernel_size, stride, padding, bias=False)
            layers.append(nn.ModuleDict(dict(conv=conv, bn=spec.norm(channels))))
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
    def stem_layers(self) -> list[tuple[nn.Conv2d, nn.Module]]:
        """The stem's convolutions, each with its norm."""
        if self.deep_stem:
            return [(layer['conv'], layer['bn']) for layer in self.stem]
        return [(self.conv1, self.bn1)]

    @property
    def stem_modules(self) -> list[nn.Module]:
        """The stem's convolutions and norms."""
        return [module for layer in self.stem_layers for module in layer]

    def init_weights(self) -> None:
        """Initialise, unless ``init_cfg`` loads a checkpoint (which nothing may overwrite)."""
        super().init_weights()
        if self.zero_init_residual and not loads_checkpoint(self):
            for block in self.blocks:
                nn.init.zeros_(block.last_norm.weight)

    def forward_stem(self, x: Tensor) -> Tensor:
        """The input of ``layer1`` for an image (N, C, H, W)."""
        for conv, norm in self.stem_layers:
            x = self.relu(norm(conv(x)))
        return self.maxpool(x)


@MODELS.register_module()
class SEResNeXt(SEResNet):
    """SE-ResNeXt, 32x4d unless said otherwise (table 1); arguments as :class:`SEResNet`.

    Depth 29 is the network for small images, 8x64d or 16x64d (Xie et al., arXiv:1611.05431,
    section 5.3).
    """

    arch_settings = {
        29: Arch(
            Bottleneck, (3, 3, 3), stem=Stem(channels=(64,), kernel_size=3, stride=1, pool=None)
        ),
        **{depth: SEResNet.arch_settings[depth] for depth in (50, 101, 152)},
    }

    def __init__(self, depth: int, groups: int = 32, width_per_group: int = 4, **kwargs) -> None:
        super().__init__(depth, groups=groups, width_per_group=width_per_group, **kwargs)


@MODELS.register_module()
class SENet(SEResNet):
    """SENet-154: 64x4d, deep stem, halved first 1x1, 3x3 projections (paper, appendix).

    Arguments as :class:`SEResNet`.
    """

    arch_settings = {
        154: Arch(
            Bottleneck,
            (3, 8, 36, 3),
            stem=Stem(channels=(64, 64, 128), kernel_size=3),
            downsample='conv3x3',
        )
    }

    def __init__(
        self,
        depth: int = 154,
        groups: int = 64,
        width_per_group: int = 4,
        halve_conv1: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(
            depth,
            groups=groups,
            width_per_group=width_per_group,
            halve_conv1=halve_conv1,
            **kwargs,
        )
