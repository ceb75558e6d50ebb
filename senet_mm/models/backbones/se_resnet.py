"""The SE-ResNet family: every variant is data."""

from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.options import check_option

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


@MODELS.register_module()
class SEResNet(BaseModule):
    """ResNet with a recalibration layer in every block (Hu et al., arXiv:1709.01507, table 1).

    Depths 18 to 152 are the ImageNet networks, 8 to 110 (6n + 2) those for small images. The
    state dict has torchvision's names plus ``layerL.i.se.*``; a deep stem has ``stem.k.conv/bn``.

    Args:
        depth: Depth of the network, a key of ``arch_settings``.
        in_channels: Channels of the input image.
        stem: Fields of :class:`Stem` that differ from the depth's own: ``channels`` (more than one
            makes a deep stem), ``kernel_size``, ``stride``, ``pool`` (``pad1``, ``ceil``, None).
        groups, width_per_group, halve_conv1, style, with_cp: See :class:`BlockSpec`.
        downsample: See :class:`BlockSpec`; None is the depth's own.
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
        se: dict | None = dict(type='SELayer', ratio=16),
        norm_cfg: dict = dict(type='BN'),
        drop_path_rate: float = 0.0,
        zero_init_residual: bool = False,
        out_indices: tuple[int, ...] = (-1,),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | list | None = (
            dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
            dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
        ),
    ) -> None:
        super().__init__(list(init_cfg) if isinstance(init_cfg, tuple) else init_cfg)
        check_option('depth', depth, sorted(self.arch_settings))
        arch = self.arch_settings[depth]
        spec = BlockSpec(
            groups=groups,
            width_per_group=width_per_group,
            halve_conv1=halve_conv1,
            style=style,
            downsample=downsample or arch.downsample,
            norm_cfg=norm_cfg,
            with_cp=with_cp,
        )
        num_stages = len(arch.num_blocks)
        for index in out_indices:
            check_option('out_indices', index, range(-num_stages, num_stages))
        check_option('frozen_stages', frozen_stages, range(-1, num_stages + 1))
        self.out_indices = {index % num_stages for index in out_indices}
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.zero_init_residual = zero_init_residual

        channels = self._make_stem(in_channels, arch.stem.replace(stem or {}), spec)
        drop_path_rates = iter(torch.linspace(0, drop_path_rate, sum(arch.num_blocks)).tolist())
        for i, num_blocks in enumerate(arch.num_blocks):
            planes = arch.planes * 2**i
            strides = [1 if i == 0 else 2] + [1] * (num_blocks - 1)
            blocks = []
            for stride in strides:
                blocks.append(arch.block(channels, planes, stride, spec, next(drop_path_rates)))
                channels = blocks[-1].out_channels
            self.add_module(f'layer{i + 1}', nn.Sequential(*blocks))
        if se is not None:
            for block in self.blocks:
                block.add_se(se)
        self._freeze()

    @property
    def stages(self) -> list[nn.Sequential]:
        """The stages, ``layer1`` first."""
        return [module for name, module in self.named_children() if name.startswith('layer')]

    @property
    def blocks(self) -> list[ResBlock]:
        """All blocks in order."""
        return [block for stage in self.stages for block in stage]

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

    def init_weights(self) -> None:
        """Initialise, unless ``init_cfg`` loads a checkpoint (which nothing may overwrite)."""
        super().init_weights()
        pretrained = isinstance(self.init_cfg, dict) and self.init_cfg['type'] == 'Pretrained'
        if self.zero_init_residual and not pretrained:
            for block in self.blocks:
                nn.init.zeros_(block.last_norm.weight)

    def _freeze(self) -> None:
        """Take the frozen stages out of training."""
        if self.frozen_stages < 0:
            return
        frozen = [module for layer in self.stem_layers for module in layer]
        for module in frozen + self.stages[: self.frozen_stages]:
            module.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> 'SEResNet':
        """Set the mode; frozen stages, and with ``norm_eval`` all batch norms, stay in eval."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of the stages in ``out_indices`` for an image (N, C, H, W)."""
        for conv, norm in self.stem_layers:
            x = self.relu(norm(conv(x)))
        x = self.maxpool(x)
        outs = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)


@MODELS.register_module()
class SEResNeXt(SEResNet):
    """SE-ResNeXt, 32x4d unless said otherwise (table 1); arguments as :class:`SEResNet`."""

    arch_settings = {depth: SEResNet.arch_settings[depth] for depth in (50, 101, 152)}

    def __init__(
        self, depth: int, groups: int = 32, width_per_group: int = 4, **kwargs
    ) -> None:
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
