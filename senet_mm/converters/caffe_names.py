"""The layers of Caffe networks, and their names in ours.

Sources: the deploy files of hujie-frank/SENet (the seven released networks) and of
shicai/SENet-Caffe (SE-ResNet-50).
"""

from collections.abc import Iterator
from typing import NamedTuple

from senet_mm.models.backbones import BNInception, Inception, ResNet

# Convolution in Caffe -> convolution and norm in our backbone; None for a convolution without a
# norm. In tables of blocks `{}` is the name of the block there, and our name begins with that of
# the block here.
Table = dict[str, tuple[str, str | None]]


class CaffeNames(NamedTuple):
    """The names of the layers in somebody's networks.

    Attributes:
        stem: The stem of a ResNet.
        block: A bottleneck; `{}` is `2_1` for the first one of the first stage.
        shortcut: The shortcut of a bottleneck, if it has layers.
        se: The layer of SE in a bottleneck.
        norm: The two layers of a norm; `{}` is the convolution.
        classifier: The last layer.
        types: End of a name -> type of the layer, the last that fits; all others are convolutions.
        deep_stem: The stem of a ResNet that has three convolutions there.
    """

    stem: Table
    block: Table
    shortcut: Table
    se: Table
    norm: tuple[str, str]
    classifier: str
    types: dict[str, str]
    deep_stem: Table = {}


RELEASED = CaffeNames(
    stem={'conv1/7x7_s2': ('conv1', 'bn1')},
    deep_stem={
        'conv1_1/3x3_s2': ('stem.0.conv', 'stem.0.bn'),
        'conv1_2/3x3': ('stem.1.conv', 'stem.1.bn'),
        'conv1_3/3x3': ('stem.2.conv', 'stem.2.bn'),
    },
    block={
        'conv{}_1x1_reduce': ('.conv1', '.bn1'),
        'conv{}_3x3': ('.conv2', '.bn2'),
        'conv{}_1x1_increase': ('.conv3', '.bn3'),
    },
    shortcut={'conv{}_1x1_proj': ('.downsample.0', '.downsample.1')},
    se={'conv{}_1x1_down': ('.se.fc1', None), 'conv{}_1x1_up': ('.se.fc2', None)},
    norm=('{}/bn', '{}/bn/scale'),
    classifier='classifier',
    types={'/bn': 'BatchNorm', '/bn/scale': 'Scale', 'classifier': 'InnerProduct'},
)
SHICAI_NAMES = CaffeNames(
    stem={'conv1': ('conv1', 'bn1')},
    block={
        'conv{}/x1': ('.conv1', '.bn1'),
        'conv{}/x2': ('.conv2', '.bn2'),
        'conv{}/x3': ('.conv3', '.bn3'),
    },
    shortcut={'conv{}/prj': ('.downsample.0', '.downsample.1')},
    se={'fc{}/sqz': ('.se.fc1', None), 'fc{}/exc': ('.se.fc2', None)},
    norm=('{}/bn', '{}/scale'),
    classifier='fc6',
    types={
        '/bn': 'BatchNorm', '/scale': 'Scale', '/sqz': 'InnerProduct', '/exc': 'InnerProduct',
    },
)  # fmt: skip

# BN-Inception, of which there is one. The name of a module comes before these, the same in both.
INCEPTION_STEM: Table = {
    'conv1/7x7_s2': ('conv1.conv', 'conv1.bn'),
    'conv2/3x3_reduce': ('conv2_reduce.conv', 'conv2_reduce.bn'),
    'conv2/3x3': ('conv2.conv', 'conv2.bn'),
}
INCEPTION_1X1: Table = {'{}/1x1': ('.branch1x1.conv', '.branch1x1.bn')}
INCEPTION_3X3: Table = {
    '{}/3x3_reduce': ('.branch3x3_1.conv', '.branch3x3_1.bn'),
    '{}/3x3': ('.branch3x3_2.conv', '.branch3x3_2.bn'),
    '{}/double3x3_reduce': ('.branch3x3dbl_1.conv', '.branch3x3dbl_1.bn'),
    '{}/double3x3a': ('.branch3x3dbl_2.conv', '.branch3x3dbl_2.bn'),
    '{}/double3x3b': ('.branch3x3dbl_3.conv', '.branch3x3dbl_3.bn'),
}
INCEPTION_PROJ: Table = {'{}/pool_proj': ('.branch_pool.conv', '.branch_pool.bn')}
INCEPTION_SE: Table = {'{}_1x1_down': ('.se.fc1', None), '{}_1x1_up': ('.se.fc2', None)}


def caffe_names(backbone: ResNet | BNInception, names: CaffeNames = RELEASED) -> dict[str, str]:
    """Every layer with blobs of a Caffe network -> prefix in the state dict of our classifier.

    Args:
        backbone: The network as ours, such as the ``*-caffe_*`` configs have.
        names: Whose names.

    Returns:
        ``{'conv1/7x7_s2': 'backbone.conv1', 'conv1/7x7_s2/bn': 'backbone.bn1',
        'conv1/7x7_s2/bn/scale': 'backbone.bn1', ..., 'classifier': 'head.fc'}``.
    """
    found = {}
    is_inception = isinstance(backbone, BNInception)
    rows = _inception(backbone) if is_inception else _resnet(backbone, names)
    for layer, conv, norm in rows:
        found[layer] = f'backbone.{conv}'
        if norm is not None:
            found |= {pattern.format(layer): f'backbone.{norm}' for pattern in names.norm}
    return {**found, names.classifier: 'head.fc'}


def layer_type(layer: str, names: CaffeNames) -> str:
    """The type of a layer of a Caffe network."""
    ends = (kind for end, kind in reversed(names.types.items()) if layer.endswith(end))
    return next(ends, 'Convolution')


def _resnet(backbone: ResNet, names: CaffeNames) -> Iterator[tuple[str, str, str | None]]:
    yield from _rows(names.deep_stem if backbone.deep_stem else names.stem)
    for stage, [blocks] in enumerate(backbone.stages, start=1):
        for i, block in enumerate(blocks):
            se = names.se if block.has_se else {}
            shortcut = {} if block.downsample is None else names.shortcut
            places = f'{stage + 1}_{i + 1}', f'layer{stage}.{i}'
            yield from _rows(names.block | se | shortcut, *places)


def _inception(backbone: BNInception) -> Iterator[tuple[str, str, str | None]]:
    yield from _rows(INCEPTION_STEM)
    for name, module in backbone.named_children():
        if isinstance(module, Inception):
            conv1x1 = {} if module.branch1x1 is None else INCEPTION_1X1
            proj = {} if module.branch_pool is None else INCEPTION_PROJ
            se = INCEPTION_SE if module.has_se else {}
            yield from _rows(conv1x1 | INCEPTION_3X3 | proj | se, name, name)


def _rows(table: Table, caffe: str = '', ours: str = '') -> Iterator[tuple[str, str, str | None]]:
    """The rows of a table, with the names of a block."""
    for layer, (conv, norm) in table.items():
        yield layer.format(caffe), ours + conv, norm and ours + norm
