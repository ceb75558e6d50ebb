"""The modules of Inception-v4 and Inception-ResNet-v2 (Szegedy et al., arXiv:1602.07261).

A chain is a tuple of steps, called in turn. A step is a :class:`Conv`, the name of a pooling, or a
list of branches, which all see the same input and are concatenated. A branch is a chain or a single
step. Widths are those of the released TensorFlow networks, which differ from the figures of the
paper in places.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Conv(NamedTuple):
    """A convolution with its norm and ReLU; one that strides has no padding.

    Attributes:
        width: Output channels.
        kernel: Side of the kernel, or (height, width).
        stride: Stride.
        valid: No padding ("V" in the figures of the paper).
    """

    width: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1
    valid: bool = False


Step = Conv | str | list['Chain | Step']
Chain = tuple[Step, ...]
BranchList = list[Chain | Step]


class Mixed(NamedTuple):
    """A module whose output is the concatenation of its branches."""

    branches: BranchList


class Residual(NamedTuple):
    """A module that adds its branches, projected by a 1x1 and scaled, to its input.

    Attributes:
        branches: The branches.
        scale: Factor of the residual, which keeps training stable (section 3.3).
        relu: Rectify the sum.
    """

    branches: BranchList
    scale: float
    relu: bool = True


class Net(NamedTuple):
    """A network: stem, the modules of three stages (stride 8, 16, 32), and what follows them.

    Attributes:
        stem: The stem.
        stages: The modules of every stage.
        final: What follows the last module.
        module_norm: The stem and every module end with a norm and a ReLU, and convolutions have a
            bias; else every convolution has a norm.
    """

    stem: Chain
    stages: tuple[Sequence[Mixed | Residual], ...]
    final: Chain = ()
    module_norm: bool = False


H7, V7, H3, V3 = (1, 7), (7, 1), (1, 3), (3, 1)

V4_STEM: Chain = (
    Conv(32, 3, stride=2),
    Conv(32, 3, valid=True),
    Conv(64, 3),
    ['max', Conv(96, 3, stride=2)],
    [
        (Conv(64), Conv(96, 3, valid=True)),
        (Conv(64), Conv(64, H7), Conv(64, V7), Conv(96, 3, valid=True)),
    ],
    [Conv(192, 3, stride=2), 'max'],
)
V4_A: BranchList = [
    Conv(96),
    (Conv(64), Conv(96, 3)),
    (Conv(64), Conv(96, 3), Conv(96, 3)),
    ('avg', Conv(96)),
]
V4_REDUCTION_A: BranchList = [
    Conv(384, 3, stride=2),
    (Conv(192), Conv(224, 3), Conv(256, 3, stride=2)),
    'max',
]
V4_B: BranchList = [
    Conv(384),
    (Conv(192), Conv(224, H7), Conv(256, V7)),
    (Conv(192), Conv(192, V7), Conv(224, H7), Conv(224, V7), Conv(256, H7)),
    ('avg', Conv(128)),
]
V4_REDUCTION_B: BranchList = [
    (Conv(192), Conv(192, 3, stride=2)),
    (Conv(256), Conv(256, H7), Conv(320, V7), Conv(320, 3, stride=2)),
    'max',
]
V4_SPLIT: BranchList = [Conv(256, H3), Conv(256, V3)]
V4_C: BranchList = [
    Conv(256),
    (Conv(384), V4_SPLIT),
    (Conv(384), Conv(448, V3), Conv(512, H3), V4_SPLIT),
    ('avg', Conv(256)),
]
INCEPTION_V4 = Net(
    V4_STEM,
    (
        [Mixed(V4_A)] * 4,
        [Mixed(V4_REDUCTION_A), *[Mixed(V4_B)] * 7],
        [Mixed(V4_REDUCTION_B), *[Mixed(V4_C)] * 3],
    ),
)

RESNET_STEM: Chain = (
    Conv(32, 3, stride=2),
    Conv(32, 3, valid=True),
    Conv(64, 3),
    'max',
    Conv(80),
    Conv(192, 3, valid=True),
    'max',
)
RESNET_FIRST: BranchList = [
    Conv(96),
    (Conv(48), Conv(64, 5)),
    (Conv(64), Conv(96, 3), Conv(96, 3)),
    ('avg', Conv(64)),
]
RESNET_A: BranchList = [
    Conv(32),
    (Conv(32), Conv(32, 3)),
    (Conv(32), Conv(48, 3), Conv(64, 3)),
]
RESNET_REDUCTION_A: BranchList = [
    Conv(384, 3, stride=2),
    (Conv(256), Conv(256, 3), Conv(384, 3, stride=2)),
    'max',
]
RESNET_B: BranchList = [
    Conv(192),
    (Conv(128), Conv(160, H7), Conv(192, V7)),
]
RESNET_REDUCTION_B: BranchList = [
    (Conv(256), Conv(384, 3, stride=2)),
    (Conv(256), Conv(288, 3, stride=2)),
    (Conv(256), Conv(288, 3), Conv(320, 3, stride=2)),
    'max',
]
RESNET_C: BranchList = [
    Conv(192),
    (Conv(192), Conv(224, H3), Conv(256, V3)),
]
INCEPTION_RESNET_V2 = Net(
    RESNET_STEM,
    (
        [Mixed(RESNET_FIRST), *[Residual(RESNET_A, 0.17)] * 10],
        [Mixed(RESNET_REDUCTION_A), *[Residual(RESNET_B, 0.1)] * 20],
        [
            Mixed(RESNET_REDUCTION_B),
            *[Residual(RESNET_C, 0.2)] * 9,
            Residual(RESNET_C, 1.0, relu=False),
        ],
    ),
    final=(Conv(1536),),
)
