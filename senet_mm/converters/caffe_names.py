"""Where the layers of the seven released Caffe networks are in ours.

Source: the deploy files of hujie-frank/SENet.
"""

from collections.abc import Iterator

from senet_mm.models.backbones import SENet, SEResNet, SEResNeXt
from senet_mm.models.backbones.bn_inception import STAGES
from senet_mm.utils.options import check_option

# What to build for each network. Caffe's pooling rounds up, and SE-ResNet strides in the first 1x1.
CAFFE_BACKBONES: dict[str, dict] = {
    'SE-BN-Inception': dict(type='SEBNInception'),
    'SE-ResNet-50': dict(type='SEResNet', depth=50, style='caffe', stem=dict(pool='ceil')),
    'SE-ResNet-101': dict(type='SEResNet', depth=101, style='caffe', stem=dict(pool='ceil')),
    'SE-ResNet-152': dict(type='SEResNet', depth=152, style='caffe', stem=dict(pool='ceil')),
    'SE-ResNeXt-50': dict(type='SEResNeXt', depth=50, stem=dict(pool='ceil')),
    'SE-ResNeXt-101': dict(type='SEResNeXt', depth=101, stem=dict(pool='ceil')),
    'SENet-154': dict(type='SENet', depth=154, stem=dict(pool='ceil')),
}

# The tables below: convolution in Caffe -> convolution and norm in our backbone. The norm is two
# layers in Caffe, `<convolution>/bn` and `<convolution>/bn/scale`; None where there is none.
RESNET_STEM = {'conv1/7x7_s2': ('conv1', 'bn1')}
SENET_STEM = {
    'conv1_1/3x3_s2': ('stem.0.conv', 'stem.0.bn'),
    'conv1_2/3x3': ('stem.1.conv', 'stem.1.bn'),
    'conv1_3/3x3': ('stem.2.conv', 'stem.2.bn'),
}
# The name of the block or module comes before these.
SE = {'_1x1_down': ('.se.fc1', None), '_1x1_up': ('.se.fc2', None)}
# Caffe's `conv{s}_{b}` and our `layer{s - 1}.{b - 1}` come before these.
RESNET_BLOCK = {
    '_1x1_reduce': ('.conv1', '.bn1'),
    '_3x3': ('.conv2', '.bn2'),
    '_1x1_increase': ('.conv3', '.bn3'),
}
RESNET_SHORTCUT = {'_1x1_proj': ('.downsample.0', '.downsample.1')}

INCEPTION_STEM = {
    'conv1/7x7_s2': ('conv1.conv', 'conv1.bn'),
    'conv2/3x3_reduce': ('conv2_reduce.conv', 'conv2_reduce.bn'),
    'conv2/3x3': ('conv2.conv', 'conv2.bn'),
}
# The name of the module comes before these, the same in both.
INCEPTION_1X1 = {'/1x1': ('.branch1x1.conv', '.branch1x1.bn')}
INCEPTION_3X3 = {
    '/3x3_reduce': ('.branch3x3_1.conv', '.branch3x3_1.bn'),
    '/3x3': ('.branch3x3_2.conv', '.branch3x3_2.bn'),
    '/double3x3_reduce': ('.branch3x3dbl_1.conv', '.branch3x3dbl_1.bn'),
    '/double3x3a': ('.branch3x3dbl_2.conv', '.branch3x3dbl_2.bn'),
    '/double3x3b': ('.branch3x3dbl_3.conv', '.branch3x3dbl_3.bn'),
}
INCEPTION_PROJ = {'/pool_proj': ('.branch_pool.conv', '.branch_pool.bn')}


def caffe_names(net: str) -> dict[str, str]:
    """Every layer with blobs of a Caffe network -> prefix in the state dict of our classifier.

    Args:
        net: Name of the network, a key of ``CAFFE_BACKBONES``.

    Returns:
        ``{'conv1/7x7_s2': 'backbone.conv1', 'conv1/7x7_s2/bn': 'backbone.bn1',
        'conv1/7x7_s2/bn/scale': 'backbone.bn1', ..., 'classifier': 'head.fc'}``.

    Raises:
        ValueError: There is no such network.
    """
    check_option('net', net, CAFFE_BACKBONES)
    names = {}
    for layer, conv, norm in _inception() if net == 'SE-BN-Inception' else _resnet(net):
        names[layer] = f'backbone.{conv}'
        if norm is not None:
            names[f'{layer}/bn'] = names[f'{layer}/bn/scale'] = f'backbone.{norm}'
    return {**names, 'classifier': 'head.fc'}


def _resnet(net: str) -> Iterator[tuple[str, str, str | None]]:
    kinds = {kind.__name__: kind for kind in (SENet, SEResNet, SEResNeXt)}
    backbone = CAFFE_BACKBONES[net]
    num_blocks = kinds[backbone['type']].arch_settings[backbone['depth']].num_blocks
    yield from _rows(SENET_STEM if net == 'SENet-154' else RESNET_STEM)
    for stage, count in enumerate(num_blocks, start=1):
        for i in range(count):
            shortcut = {} if i else RESNET_SHORTCUT
            yield from _rows(
                RESNET_BLOCK | SE | shortcut, f'conv{stage + 1}_{i + 1}', f'layer{stage}.{i}'
            )


def _inception() -> Iterator[tuple[str, str, str | None]]:
    yield from _rows(INCEPTION_STEM)
    for rows in STAGES:
        for name, row in rows.items():
            conv1x1 = INCEPTION_1X1 if row.conv1x1 else {}
            proj = INCEPTION_PROJ if row.proj else {}
            yield from _rows(conv1x1 | INCEPTION_3X3 | proj | SE, name, name)


def _rows(
    table: dict[str, tuple[str, str | None]], caffe: str = '', ours: str = ''
) -> Iterator[tuple[str, str, str | None]]:
    """The rows of a table, with the names that come before its own."""
    for layer, (conv, norm) in table.items():
        yield caffe + layer, ours + conv, norm and ours + norm
