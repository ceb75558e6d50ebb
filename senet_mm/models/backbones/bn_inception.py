"""BN-Inception: the ten modules are rows of a table."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_integer

from .base import HE_FAN_IN, Block, StagedBackbone
from .layered import conv_bn

# Equal to Caffe's pooling at the sizes that the network accepts; `avg` counts the padding.
POOLS = {
    'avg': lambda: nn.AvgPool2d(3, 1, padding=1, count_include_pad=True),
    'max': lambda: nn.MaxPool2d(3, 1, padding=1),
    'max_stride2': lambda: nn.MaxPool2d(3, 2, padding=0, ceil_mode=True),
}


class ModuleSpec(NamedTuple):
    """The branches of one module; widths are output channels, in the order of the concatenation.

    Attributes:
        conv1x1: Width of the 1x1 branch, 0 for none.
        conv3x3: Widths of the 1x1 reduction and the 3x3.
        double3x3: Widths of the 1x1 reduction and each of the two 3x3.
        pool: Pooling of the last branch, a key of ``POOLS``; ``max_stride2`` makes the last 3x3 of
            the other branches stride as well.
        proj: Width of the 1x1 after the pooling, 0 for the raw pooling.
    """

    conv1x1: int
    conv3x3: tuple[int, int]
    double3x3: tuple[int, int]
    pool: str
    proj: int


# Stages of stride 8, 16, 32; each ends with the last module of that stride.
STAGES: tuple[dict[str, ModuleSpec], ...] = (
    {
        'inception_3a': ModuleSpec(64, (64, 64), (64, 96), 'avg', 32),
        'inception_3b': ModuleSpec(64, (64, 96), (64, 96), 'avg', 64),
    },
    {
        'inception_3c': ModuleSpec(0, (128, 160), (64, 96), 'max_stride2', 0),
        'inception_4a': ModuleSpec(224, (64, 96), (96, 128), 'avg', 128),
        'inception_4b': ModuleSpec(192, (96, 128), (96, 128), 'avg', 128),
        'inception_4c': ModuleSpec(160, (128, 160), (128, 160), 'avg', 128),
        'inception_4d': ModuleSpec(96, (128, 192), (160, 192), 'avg', 128),
    },
    {
        'inception_4e': ModuleSpec(0, (128, 192), (192, 256), 'max_stride2', 0),
        'inception_5a': ModuleSpec(352, (192, 320), (160, 224), 'avg', 128),
        'inception_5b': ModuleSpec(352, (192, 320), (192, 224), 'max', 128),
    },
)


class Inception(Block):
    """A module of BN-Inception: ``se(concat(branches))``, no activation after the gate.

    Ioffe and Szegedy, arXiv:1502.03167, figure 5. The names of the branches are torchvision's.

    Args:
        in_channels: Channels of the input.
        row: The branches.
        norm_cfg: Normalisation layer.
        with_cp: Recompute the module in the backward pass instead of storing its activations.
    """

    def __init__(
        self, in_channels: int, row: ModuleSpec, norm_cfg: dict, with_cp: bool = False
    ) -> None:
        pooled = row.proj or in_channels
        super().__init__(row.conv1x1 + row.conv3x3[1] + row.double3x3[1] + pooled, with_cp)
        stride = 2 if row.pool == 'max_stride2' else 1
        conv = partial(conv_bn, norm_cfg=norm_cfg)
        self.branch1x1 = conv(in_channels, row.conv1x1, 1) if row.conv1x1 else None
        reduced, width = row.conv3x3
        self.branch3x3_1 = conv(in_channels, reduced, 1)
        self.branch3x3_2 = conv(reduced, width, 3, stride=stride)
        reduced, width = row.double3x3
        self.branch3x3dbl_1 = conv(in_channels, reduced, 1)
        self.branch3x3dbl_2 = conv(reduced, width, 3)
        self.branch3x3dbl_3 = conv(width, width, 3, stride=stride)
        self.pool = POOLS[row.pool]()
        self.branch_pool = conv(in_channels, row.proj, 1) if row.proj else None
        self.se = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """The module, (N, C, H, W) -> (N, C', H/s, W/s)."""
        branch1x1 = [] if self.branch1x1 is None else [self.branch1x1(x)]
        branch3x3 = self.branch3x3_2(self.branch3x3_1(x))
        branch3x3dbl = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pool = self.pool(x)
        if self.branch_pool is not None:
            pool = self.branch_pool(pool)
        return self.se(torch.cat([*branch1x1, branch3x3, branch3x3dbl, pool], 1))


@MODELS.register_module()
class BNInception(StagedBackbone):
    """BN-Inception with a place for SE at the output of each of its ten modules.

    The network of the released SE-BN-Inception (Hu et al., arXiv:1709.01507, table 2), every
    pooling included. Its three stages have stride 8 (modules 3a, 3b; 320 channels), 16 (3c to 4d;
    608) and 32 (4e to 5b; 1024). The state dict follows the layers of the Caffe network:
    ``conv1``, ``conv2_reduce``, ``conv2``, then ``inception_3a`` to ``inception_5b`` with the
    branches ``branch1x1``, ``branch3x3_1/2``, ``branch3x3dbl_1/2/3``, ``branch_pool``, all of them
    with ``conv`` and ``bn``.

    Args:
        in_channels: Channels of the input image.
        norm_cfg: Normalisation layer.
        out_indices: Stages whose output is returned, from 0.
        frozen_stages: -1 freezes nothing, 0 the stem, k the stem and k stages.
        norm_eval: Keep the batch norms on their running statistics in training.
        with_cp: Recompute the modules in the backward pass instead of storing their activations.
        init_cfg: Initialisation; the default is He's with fan-in, as in the paper and in Caffe.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        in_channels: int = 3,
        norm_cfg: dict = dict(type='BN'),
        out_indices: tuple[int, ...] = (-1,),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | Sequence[dict] | None = HE_FAN_IN,
    ) -> None:
        super().__init__(len(STAGES), out_indices, frozen_stages, norm_eval, init_cfg)
        check_integer('in_channels', in_channels)
        self.conv1 = conv_bn(in_channels, 64, 7, norm_cfg, stride=2)
        self.pool1 = POOLS['max_stride2']()
        self.conv2_reduce = conv_bn(64, 64, 1, norm_cfg)
        self.conv2 = conv_bn(64, 192, 3, norm_cfg)
        self.pool2 = POOLS['max_stride2']()
        channels = 192
        for rows in STAGES:
            for name, row in rows.items():
                module = Inception(channels, row, norm_cfg, with_cp)
                self.add_module(name, module)
                channels = module.out_channels
        self._freeze_stages()

    @property
    def stem_modules(self) -> list[nn.Module]:
        """The stem's convolutions with their norms."""
        return [self.conv1, self.conv2_reduce, self.conv2]

    @property
    def stages(self) -> Sequence[Sequence[nn.Module]]:
        """The modules of the three stages."""
        return [[getattr(self, name) for name in rows] for rows in STAGES]

    def forward_stem(self, x: Tensor) -> Tensor:
        """The input of ``inception_3a`` for an image (N, C, H, W)."""
        x = self.pool1(self.conv1(x))
        return self.pool2(self.conv2(self.conv2_reduce(x)))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of the stages in ``out_indices`` for an image (N, C, H, W).

        Raises:
            ValueError: A map is odd where it is halved, so that the branches would disagree: the
                convolutions round down, the pooling rounds up.
        """
        # `inception_3a` sees a map with sides of (side + 1) // 8, which must halve twice.
        if any((side + 1) // 8 % 4 or side < 31 for side in x.shape[2:]):
            raise InputError(
                f'the image is {tuple(x.shape[2:])}; '
                'allowed: sides from 32k - 1 to 32k + 6, as multiples of 32'
            )
        return super().forward(x)
