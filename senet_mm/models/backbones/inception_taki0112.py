"""The Inception networks of taki0112/SENet-Tensorflow, as data.

They differ from those of the paper (Szegedy et al., arXiv:1602.07261) and of ``inception_data``:

- Convolutions have a bias and a ReLU. A norm and a ReLU follow the stem and every module instead.
- Both networks have the stem of Inception-v4, and the reductions of Inception-ResNet-v2.
- Inception-v4: module B has 1x7 twice in its third branch (1x7 and 7x1 in the paper).
- Inception-ResNet-v2: 5, 10 and 5 modules of 384, 1152 and 2144 channels, as in the figures of
  the paper (2048 there). All scale their residual by 0.1 and rectify the sum. No 1x1 follows.
"""

from .inception_data import (
    H3,
    H7,
    RESNET_A,
    RESNET_B,
    RESNET_C,
    V3,
    V7,
    BranchList,
    Chain,
    Conv,
    Mixed,
    Net,
    Residual,
)

STEM: Chain = (
    Conv(32, 3, stride=2),
    Conv(32, 3, valid=True),
    Conv(64, 3),
    ['max', Conv(96, 3, stride=2)],
    [
        (Conv(64), Conv(96, 3, valid=True)),
        (Conv(64), Conv(64, V7), Conv(64, H7), Conv(96, 3, valid=True)),
    ],
    [Conv(192, 3, stride=2), 'max'],
)
A: BranchList = [
    ('avg', Conv(96)),
    Conv(96),
    (Conv(64), Conv(96, 3)),
    (Conv(64), Conv(96, 3), Conv(96, 3)),
]
REDUCTION_A: BranchList = [
    'max',
    Conv(384, 3, stride=2),
    (Conv(256), Conv(256, 3), Conv(384, 3, stride=2)),
]
B: BranchList = [
    ('avg', Conv(128)),
    Conv(384),
    (Conv(192), Conv(224, H7), Conv(256, H7)),
    (Conv(192), Conv(192, H7), Conv(224, V7), Conv(224, H7), Conv(256, V7)),
]
REDUCTION_B: BranchList = [
    'max',
    (Conv(256), Conv(384, 3, stride=2)),
    (Conv(256), Conv(288, 3, stride=2)),
    (Conv(256), Conv(288, 3), Conv(320, 3, stride=2)),
]
SPLIT: BranchList = [Conv(256, H3), Conv(256, V3)]
C: BranchList = [
    ('avg', Conv(256)),
    Conv(256),
    (Conv(384), SPLIT),
    (Conv(384), Conv(448, H3), Conv(512, V3), SPLIT[::-1]),
]
TAKI_INCEPTION_V4 = Net(
    STEM,
    (
        [Mixed(A)] * 4,
        [Mixed(REDUCTION_A), *[Mixed(B)] * 7],
        [Mixed(REDUCTION_B), *[Mixed(C)] * 3],
    ),
    module_norm=True,
)
TAKI_INCEPTION_RESNET_V2 = Net(
    STEM,
    (
        [Residual(RESNET_A, 0.1)] * 5,
        [Mixed(REDUCTION_A), *[Residual(RESNET_B, 0.1)] * 10],
        [Mixed(REDUCTION_B), *[Residual(RESNET_C, 0.1)] * 5],
    ),
    module_norm=True,
)
