"""The ResNet family without SE: every variant is data."""

from collections.abc import Sequence
from dataclasses import fields
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from senet_mm.models.scoped_init import loads_checkpoint
from senet_mm.registry import MODELS
from senet_mm.utils.options import check_option

from .base import HE_FAN_IN, StagedBackbone
from .blocks import BasicBlock, BlockSpec, Bottleneck

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


# Of networks for small images.
SMALL_STEM = Stem(kernel_size=3, stride=1, pool=None)


class Arch(NamedTuple):
    """What the depth of a network stands for.

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


def per_stage(name: str, given: Sequence[int] | None, default: Sequence[int]) -> tuple[int, ...]:
    """A value for each stage; a wrong number of them is a ValueError."""
    values = tuple(default if given is None else given)
    if len(values) != len(default):
        raise ValueError(
            f'{name}={values} has {len(values)} values; allowed: {len(default)}, one for each stage'
        )
    return values


def make_spec(arch: Arch, given: dict, norm_cfg: dict) -> BlockSpec:
    """What the blocks share: the depth's own, but for what is given; a ValueError otherwise."""
    own = dict(base_planes=arch.planes, norm_cfg=norm_cfg)
    allowed = [field.name for field in fields(BlockSpec) if field.name not in own]
    for name in given:
        check_option('block field', name, allowed)
    return BlockSpec(**{**arch.spec, **given}, **own)


@MODELS.register_module()
class ResNet(StagedBackbone):
    """ResNet (He et al., arXiv:1512.03385), with a place for SE in every block.

    Depths 18 to 152 are the ImageNet networks, 8 to 110 (6n + 2) those for small images. The
    state dict has torchvision's names; a deep stem has ``stem.k.conv/bn``.

    Args:
        depth: Depth of the network, a key of ``arch_settings``, or another :class:`Arch`.
        in_channels: Channels of the input image.
        stem: Fields of :class:`Stem` that differ from the depth's own: ``channels`` (more than one
            makes a deep stem), ``kernel_size``, ``stride``, ``pool`` (``pad1``, ``ceil``, None).
        block: Fields of :class:`BlockSpec` that differ from the depth's own: ``groups``,
            ``width_per_group``, ``style``, ``downsample``, ``zero_init_residual``, ``with_cp``, ...
        strides: Stride of each stage, by default 2 but for the first.
        dilations: Dilation of the 3x3 convolutions of each stage, by default 1.
            ``strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)`` gives maps of stride 8, every fourth
            value of which is that of the strided network.
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
            blocks = []
            for _ in range(num_blocks):
                blocks.append(
                    arch.block(channels, planes, stride, self.spec, dilation, first, next(rates))
                )
                channels, stride, first = blocks[-1].out_channels, 1, dilation
            self.add_module(f'layer{i + 1}', nn.Sequential(*blocks))
        self._freeze()

    @classmethod
    def write_out(cls, config: dict) -> dict:
        """A config of this class with all fields of ``stem`` and ``block``, the depth's own too."""
        depth = config.get('depth')
        arch = cls.arch_settings.get(depth) if isinstance(depth, int) else None
        parts = config.get('stem'), config.get('block')
        if arch is None or not all(isinstance(part, dict) for part in parts):
            return config
        own = {field.name: field.default for field in fields(BlockSpec)} | arch.spec
        del own['norm_cfg'], own['base_planes']
        stem, block = parts
        return {**config, 'stem': arch.stem._asdict() | stem, 'block': own | block}

    @property
    def stages(self) -> list[list[nn.Module]]:
        """The stages, ``layer1`` first."""
        return [[module] for name, module in self.named_children() if name.startswith('layer')]

    @property
    def blocks(self) -> list[BasicBlock | Bottleneck]:
        """All blocks in order."""
        return [block for [layer] in self.stages for block in layer]

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
        if self.spec.zero_init_residual and not loads_checkpoint(self):
            for block in self.blocks:
                nn.init.zeros_(block.last_norm.weight)

    def forward_stem(self, x: Tensor) -> Tensor:
        """The input of ``layer1`` for an image (N, C, H, W)."""
        for conv, norm in self.stem_layers:
            x = self.relu(norm(conv(x)))
        return self.maxpool(x)


@MODELS.register_module()
class ResNeXt(ResNet):
    """ResNeXt (Xie et al., arXiv:1611.05431); arguments as :class:`ResNet`.

    Depths 50 to 152 are 32x4d. Depth 29 is the network for small images, 8x64d unless said
    otherwise (section 5.3). Depth 154 is SENet-154 without its SE: 64x4d, deep stem, halved first
    1x1, 3x3 projections (Hu et al., arXiv:1709.01507, appendix).
    """

    arch_settings = {
        29: Arch(Bottleneck, (3, 3, 3), stem=SMALL_STEM, spec=dict(groups=8, width_per_group=64)),
        **{
            depth: ResNet.arch_settings[depth]._replace(spec=dict(groups=32, width_per_group=4))
            for depth in (50, 101, 152)
        },
        154: Arch(
            Bottleneck,
            (3, 8, 36, 3),
            stem=Stem(channels=(64, 64, 128), kernel_size=3),
            spec=dict(groups=64, width_per_group=4, halve_conv1=True, downsample='conv3x3'),
        ),
    }
