"""What is written about a part of a network: ``3x3 conv, 64→64, /2``."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from mmcv.cnn import is_norm
from torch import nn
from torch.nn.modules.conv import _ConvNd

# The sign of multiplication, as in the size of a kernel.
TIMES = '\u00d7'
# Class -> what is written for it; other classes have their own names.
SHORT = {
    'BatchNorm2d': 'BN', 'SyncBatchNorm': 'BN', 'GroupNorm': 'GN', 'LayerNorm': 'LN',
    'LayerNorm2d': 'LN', 'InstanceNorm2d': 'IN', 'SELayer': 'SE', 'SCSELayer': 'scSE',
    'SpatialSELayer': 'sSE', 'ECALayer': 'ECA', 'GatherExciteLayer': 'GE', 'ReLU6': 'ReLU6',
    'SplitAttentionConv2d': 'split attention', 'SEModule': 'SE', 'SqueezeExcite': 'SE',
    'SqueezeExcitation': 'SE',
}  # fmt: skip
ACTIVATIONS = {'torch.nn.modules.activation'} | {
    f'mmcv.cnn.bricks.{name}' for name in ('activation', 'hsigmoid', 'hswish', 'swish')
}
# TracedOperation of ATen -> what is written for it, for operations outside of modules.
FUNCTIONS = {
    'add': '+', 'sub': '-', 'mul': TIMES, 'cat': 'concat', 'stack': 'stack', 'relu': 'ReLU',
    'hardtanh': 'ReLU6', 'silu': 'SiLU', 'gelu': 'GELU', 'sigmoid': 'sigmoid',
    'hardsigmoid': 'hard sigmoid', 'mean': 'mean', 'amax': 'max',
    'max_pool2d_with_indices': 'max pool', 'avg_pool2d': 'avg pool',
    '_adaptive_avg_pool2d': 'avg pool', 'split': 'split',
    'split_with_sizes': 'split', 'constant_pad_nd': 'zero pad', '_softmax': 'softmax',
    'bmm': 'matrix product', 'mm': 'matrix product', 'addmm': 'linear', 'native_layer_norm': 'LN',
    'native_batch_norm': 'BN',
}  # fmt: skip


class Label(NamedTuple):
    """What is written about a part: ``3x3 conv``, ``64→256``, ``/2``, ``32 groups``."""

    what: str
    widths: str = ''
    stride: str = ''
    more: str = ''

    def __str__(self) -> str:
        return ', '.join(filter(None, self))


def short_name(module: nn.Module) -> str:
    """Name of a module's class, shortened."""
    name = type(module).__name__
    return SHORT.get(name, name)


def describe_part(module: nn.Module) -> tuple[str, Label]:
    """Kind and text of a module that is drawn as one box."""
    if isinstance(module, _ConvNd):
        return 'conv', describe_conv(module)
    if isinstance(module, nn.Linear):
        return 'linear', Label('linear', f'{module.in_features}→{module.out_features}')
    if is_norm(module):
        return 'norm', Label(short_name(module))
    for base in type(module).__mro__:
        if base.__module__ == 'torch.nn.modules.pooling':
            return 'pool', describe_pool(module, base.__name__)
    is_activation = type(module).__module__ in ACTIVATIONS
    return 'act' if is_activation else 'other', Label(short_name(module))


def describe_attention_layer(module: nn.Module) -> Label:
    """``SE, 256→16→256``: a recalibration layer, with the widths of its layers."""
    widths: list[int] = []
    for part in module.modules():
        if isinstance(part, nn.Linear):
            pair = (part.in_features, part.out_features)
        elif isinstance(part, nn.Conv2d):
            pair = (part.in_channels, part.out_channels)
        else:
            continue
        widths = widths or [pair[0]]
        if pair[0] == widths[-1]:
            widths.append(pair[1])
    return Label(short_name(module), '→'.join(map(str, widths)))


def describe_conv(conv: _ConvNd) -> Label:
    """``3x3 conv, 64→64, /2, 32 groups``; ``/2`` is the stride."""
    what, widths = 'conv', f'{conv.in_channels}→{conv.out_channels}'
    if conv.groups > 1 and conv.groups == conv.in_channels:
        what = 'depthwise conv'
    more = f'{conv.groups} groups' if 1 < conv.groups != conv.in_channels else ''
    if max(conv.dilation) > 1:
        more = ', '.join(filter(None, [more, f'dilated {max(conv.dilation)}']))
    return Label(
        f'{describe_kernel(conv.kernel_size)} {what}', widths, describe_stride(conv.stride), more
    )


def describe_pool(pool: nn.Module, base: str) -> Label:
    """``3x3 max pool, /2``, ``global avg pool``."""
    how = 'max' if 'Max' in base else 'avg'
    if base.startswith('Adaptive'):
        size = getattr(pool, 'output_size', None)
        return Label(f'global {how} pool' if size in (1, (1, 1)) else f'{how} pool to {size}')
    size, stride = getattr(pool, 'kernel_size', 1), getattr(pool, 'stride', 1)
    return Label(f'{describe_kernel(size)} {how} pool', stride=describe_stride(stride))


def describe_stride(stride: object) -> str:
    """``/2`` for 2 or (2, 2); empty for 1."""
    largest = max(stride) if isinstance(stride, tuple) else stride
    return '' if largest == 1 else f'/{largest}'


def describe_kernel(size: object) -> str:
    """``3x3`` for 3 or (3, 3)."""
    sizes = size if isinstance(size, Sequence) else (size, size)
    return TIMES.join(map(str, sizes))


def describe_shape(shape: Sequence[int]) -> str:
    """``256x56x56``."""
    return TIMES.join(map(str, shape))


def describe_widths(ins: Sequence[int], outs: Sequence[int]) -> str:
    """``64→128`` for the channels of blocks that follow each other, ``64…224→32`` for others."""
    if list(ins[1:]) == list(outs[:-1]):
        steps = [width for width, _ in groupby([ins[0], *outs])]
        return '→'.join(map(str, steps if len(steps) > 1 else steps * 2))
    return describe_ranges(zip(ins, outs, strict=True))


def describe_ranges(widths: Iterable[Sequence[object]]) -> str:
    """``256…288→16…18→256…288``: of equally many widths of each block the first and the last."""
    columns = zip(*widths, strict=True)
    return '→'.join('…'.join(map(str, dict.fromkeys((c[0], c[-1])))) for c in columns)
