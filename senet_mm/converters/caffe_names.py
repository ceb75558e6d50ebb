"""The layers of the seven released Caffe networks, and their names in ours.

Source: the deploy files of hujie-frank/SENet.
"""

from collections.abc import Iterator

from senet_mm.models.backbones import BNInception, Inception, ResNet

# Convolution in Caffe -> convolution and norm in our backbone. The norm is two layers in Caffe,
# `<convolution>/bn` and `<convolution>/bn/scale`; None for a convolution without a norm.
Table = dict[str, tuple[str, str | None]]

RESNET_STEM: Table = {'conv1/7x7_s2': ('conv1', 'bn1')}
SENET_STEM: Table = {
    'conv1_1/3x3_s2': ('stem.0.conv', 'stem.0.bn'),
    'conv1_2/3x3': ('stem.1.conv', 'stem.1.bn'),
    'conv1_3/3x3': ('stem.2.conv', 'stem.2.bn'),
}
# The name of the block or module comes before these.
SE: Table = {'_1x1_down': ('.se.fc1', None), '_1x1_up': ('.se.fc2', None)}
# Caffe's `conv{s}_{b}` and our `layer{s - 1}.{b - 1}` come before these.
RESNET_BLOCK: Table = {
    '_1x1_reduce': ('.conv1', '.bn1'),
    '_3x3': ('.conv2', '.bn2'),
    '_1x1_increase': ('.conv3', '.bn3'),
}
RESNET_SHORTCUT: Table = {'_1x1_proj': ('.downsample.0', '.downsample.1')}

INCEPTION_STEM: Table = {
    'conv1/7x7_s2': ('conv1.conv', 'conv1.bn'),
    'conv2/3x3_reduce': ('conv2_reduce.conv', 'conv2_reduce.bn'),
    'conv2/3x3': ('conv2.conv', 'conv2.bn'),
}
# The name of the module comes before these, the same in both.
INCEPTION_1X1: Table = {'/1x1': ('.branch1x1.conv', '.branch1x1.bn')}
INCEPTION_3X3: Table = {
    '/3x3_reduce': ('.branch3x3_1.conv', '.branch3x3_1.bn'),
    '/3x3': ('.branch3x3_2.conv', '.branch3x3_2.bn'),
    '/double3x3_reduce': ('.branch3x3dbl_1.conv', '.branch3x3dbl_1.bn'),
    '/double3x3a': ('.branch3x3dbl_2.conv', '.branch3x3dbl_2.bn'),
    '/double3x3b': ('.branch3x3dbl_3.conv', '.branch3x3dbl_3.bn'),
}
INCEPTION_PROJ: Table = {'/pool_proj': ('.branch_pool.conv', '.branch_pool.bn')}


def caffe_names(backbone: ResNet | BNInception) -> dict[str, str]:
    """Every layer with blobs of a Caffe network -> prefix in the state dict of our classifier.

    Args:
        backbone: The network as ours, such as the ``*-caffe_*`` configs have.

    Returns:
        ``{'conv1/7x7_s2': 'backbone.conv1', 'conv1/7x7_s2/bn': 'backbone.bn1',
        'conv1/7x7_s2/bn/scale': 'backbone.bn1', ..., 'classifier': 'head.fc'}``.
    """
    names = {}
    rows = _inception(backbone) if isinstance(backbone, BNInception) else _resnet(backbone)
    for layer, conv, norm in rows:
        names[layer] = f'backbone.{conv}'
        if norm is not None:
            names[f'{layer}/bn'] = names[f'{layer}/bn/scale'] = f'backbone.{norm}'
    return {**names, 'classifier': 'head.fc'}


def _resnet(backbone: ResNet) -> Iterator[tuple[str, str, str | None]]:
    yield from _rows(SENET_STEM if backbone.deep_stem else RESNET_STEM)
    for stage, [blocks] in enumerate(backbone.stages, start=1):
        for i, block in enumerate(blocks):
            se = SE if block.has_se else {}
            shortcut = {} if block.downsample is None else RESNET_SHORTCUT
            names = f'conv{stage + 1}_{i + 1}', f'layer{stage}.{i}'
            yield from _rows(RESNET_BLOCK | se | shortcut, *names)


def _inception(backbone: BNInception) -> Iterator[tuple[str, str, str | None]]:
    yield from _rows(INCEPTION_STEM)
    for name, module in backbone.named_children():
        if isinstance(module, Inception):
            conv1x1 = {} if module.branch1x1 is None else INCEPTION_1X1
            proj = {} if module.branch_pool is None else INCEPTION_PROJ
            se = SE if module.has_se else {}
            yield from _rows(conv1x1 | INCEPTION_3X3 | proj | se, name, name)


def _rows(table: Table, caffe: str = '', ours: str = '') -> Iterator[tuple[str, str, str | None]]:
    """The rows of a table, with the names that come before its own."""
    for layer, (conv, norm) in table.items():
        yield caffe + layer, ours + conv, norm and ours + norm
