"""What the layers of Caffe do at test time, as operations of a graph.

Source: BVLC/caffe, ``src/caffe/layers`` and ``src/caffe/proto/caffe.proto``. Axpy is that of
hujie-frank/SENet.
"""

from collections.abc import Callable

from senet_mm.utils.errors import InputError

from .network_graph import GraphNode
from .prototxt import LARGEST, Fields, Layer

# Words that fields may have, and their numbers.
POOLS = {'MAX': 0, 'AVE': 1}
ROUNDINGS = {'CEIL': 0, 'FLOOR': 1}
OPERATIONS = {'PROD': 0, 'SUM': 1}


class GraphBuilder:
    """A network that is being read, layer by layer.

    Attributes:
        nodes: The operations so far.
        values: Name of a blob -> index of the operation that wrote it last.
    """

    def __init__(self) -> None:
        self.nodes: list[GraphNode] = []
        self.values: dict[str, int] = {}

    def add(
        self, layer: Layer, op: str, inputs: list[int], shape: tuple[int, ...], **form: object
    ) -> int:
        """Append an operation of a layer, and return its index."""
        if min(shape) < 1 or max(shape) > LARGEST:
            raise InputError(f'its output would be {shape}; allowed: sides from 1 to {LARGEST}')
        top = layer.tops[0] if layer.tops else layer.name
        node = GraphNode(
            layer.name, layer.type, op, tuple(form.items()), tuple(inputs), shape, output=top
        )
        self.nodes.append(node)
        return len(self.nodes) - 1

    def keep(self, layer: Layer, op: str, inputs: list[int], **form: object) -> int:
        """Append an operation that keeps the shape of its first input."""
        return self.add(layer, op, inputs, self.nodes[inputs[0]].shape, **form)

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of a result, (C, H, W)."""
        return self.nodes[index].shape


def _convolution(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    channels, *size = graph.shape(inputs[0])
    out = fields.integer('num_output', None, 1)
    groups = fields.integer('group', 1, 1)
    if channels % groups or out % groups:
        raise InputError(f'group={groups} of {channels} and {out} channels')
    kernel = fields.sides('kernel_size', None, 1)
    stride, pad = fields.sides('stride', 1, 1), fields.sides('pad', 0)
    dilation = fields.sides('dilation', 1, 1)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    rows = zip(size, reach, stride, pad, strict=True)
    return graph.add(
        layer, 'convolution', inputs, (out, *((n + 2 * p - k) // s + 1 for n, k, s, p in rows)),
        channels=(channels, out), kernel=kernel, stride=stride, pad=pad, dilation=dilation,
        groups=groups, bias=fields.flag('bias_term', True),
    )  # fmt: skip


def _inner_product(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    """On a map of one value a channel it is a 1x1 convolution."""
    channels, height, width = graph.shape(inputs[0])
    if height * width > 1:
        channels *= height * width
        inputs = [graph.add(layer, 'flatten', inputs, (channels, 1, 1))]
    out = fields.integer('num_output', None, 1)
    if fields.flag('transpose', False) or fields.integer('axis', 1) != 1:
        raise InputError('transpose or axis; allowed: transpose: false, axis: 1')
    return graph.add(
        layer, 'convolution', inputs, (out, 1, 1),
        channels=(channels, out), kernel=(1, 1), stride=(1, 1), pad=(0, 0), dilation=(1, 1),
        groups=1, bias=fields.flag('bias_term', True),
    )  # fmt: skip


def _pooling(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    """The size is rounded up; a window that would start in the padding after the map is left out.

    An average counts the padding.
    """
    channels, *size = graph.shape(inputs[0])
    average = fields.word('pool', 'MAX', POOLS) == 'AVE'
    whole = fields.flag('global_pooling', False)
    kernel = (size[0], size[1]) if whole else fields.sides('kernel_size', None, 1)
    stride, pad = fields.sides('stride', 1, 1), fields.sides('pad', 0)
    up = fields.word('round_mode', 'CEIL', ROUNDINGS) == 'CEIL'
    out = []
    for n, k, s, p in zip(size, kernel, stride, pad, strict=True):
        number = (n + 2 * p - k + (s - 1 if up else 0)) // s + 1
        out.append(number - 1 if p and (number - 1) * s >= n + p else number)
    op = 'average' if average else 'maximum'
    if list(kernel) == size and pad == (0, 0):
        return graph.add(layer, f'{op} of the map', inputs, (channels, 1, 1))
    return graph.add(
        layer, op, inputs, (channels, *out), kernel=kernel, stride=stride, pad=pad, size=tuple(out)
    )


def _batch_norm(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    fields.ignore('moving_average_fraction')
    if not fields.flag('use_global_stats', True):
        raise InputError('use_global_stats: false; allowed: true')
    return graph.keep(layer, 'norm', inputs, eps=fields.number('eps', 1e-5))


def _scale(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    """By weights of its own along the channels, or by a second bottom, (N, C), from axis 0 on."""
    own = len(inputs) == 1
    axis, axes = fields.integer('axis', 1), fields.integer('num_axes', 1)
    bias = fields.flag('bias_term', False)
    if own and (axis, axes) == (1, 1):
        return graph.keep(layer, 'affine', inputs, bias=bias)
    channels, height, width = graph.shape(inputs[-1])
    if own or axis or bias or height * width > 1 or channels != graph.shape(inputs[0])[0]:
        raise InputError('it scales something else than the channels of a map')
    return graph.keep(layer, 'multiply', inputs)


def _axpy(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    """The sum of a map times a gate and another map."""
    gate, scaled, other = inputs
    shape = graph.shape(scaled)
    if graph.shape(gate) != (shape[0], 1, 1) or graph.shape(other) != shape:
        raise InputError(f'its bottoms are {", ".join(str(graph.shape(i)) for i in inputs)}')
    product = graph.keep(layer, 'multiply', [scaled, gate])
    return graph.keep(layer, 'add', [product, other])


def _eltwise(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    fields.ignore('stable_prod_grad')
    kind = fields.word('operation', 'SUM', OPERATIONS)
    if any(factor != 1 for factor in fields.numbers('coeff')):
        raise InputError('coeff; allowed: 1')
    if len({graph.shape(index) for index in inputs}) > 1:
        raise InputError(f'its bottoms are {", ".join(str(graph.shape(i)) for i in inputs[:3])}')
    result, *others = inputs
    for other in others:
        result = graph.keep(layer, 'add' if kind == 'SUM' else 'multiply', [result, other])
    return result


def _concat(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    if fields.integer('axis', 1) != 1 or fields.integer('concat_dim', 1) != 1:
        raise InputError('axis; allowed: 1')
    shapes = [graph.shape(index) for index in inputs]
    if len({shape[1:] for shape in shapes}) > 1:
        raise InputError(f'its bottoms are {", ".join(map(str, shapes[:3]))}')
    return graph.add(
        layer, 'concatenate', inputs, (sum(shape[0] for shape in shapes), *shapes[0][1:])
    )


def _relu(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    if fields.number('negative_slope', 0):
        raise InputError('negative_slope; allowed: 0')
    return graph.keep(layer, 'relu', inputs)


def _sigmoid(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    return graph.keep(layer, 'sigmoid', inputs)


def _dropout(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    fields.ignore('dropout_ratio', 'scale_train')
    return inputs[0]


def _split(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    return inputs[0]


def _reshape(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    """Of one value a channel into (N, C) or (N, C, 1, 1): no operation."""
    fields.ignore('shape')
    channels, height, width = graph.shape(inputs[0])
    first, *rest = fields.message.message('shape').texts('dim')[1:] or ['']
    if height * width > 1 or first not in ('0', '-1', str(channels)) or {*rest} - {'1'}:
        raise InputError('it reshapes a map; allowed: one value a channel, to (N, C)')
    return inputs[0]


def _flatten(graph: GraphBuilder, layer: Layer, fields: Fields, inputs: list[int]) -> int:
    if fields.integer('axis', 1) != 1:
        raise InputError('axis; allowed: 1')
    channels, height, width = graph.shape(inputs[0])
    if height * width == 1:
        return inputs[0]
    return graph.add(layer, 'flatten', inputs, (channels * height * width, 1, 1))


# Type -> how many bottoms, what it is, and the name of its own message.
Convert = Callable[[GraphBuilder, Layer, Fields, list[int]], int]
LAYERS: dict[str, tuple[range, Convert] | tuple[range, Convert, str]] = {
    'Axpy': (range(3, 4), _axpy),
    'BatchNorm': (range(1, 2), _batch_norm, 'batch_norm_param'),
    'Concat': (range(1, 1 << 16), _concat, 'concat_param'),
    'Convolution': (range(1, 2), _convolution, 'convolution_param'),
    'Dropout': (range(1, 2), _dropout, 'dropout_param'),
    'Eltwise': (range(2, 1 << 16), _eltwise, 'eltwise_param'),
    'Flatten': (range(1, 2), _flatten, 'flatten_param'),
    'InnerProduct': (range(1, 2), _inner_product, 'inner_product_param'),
    'Pooling': (range(1, 2), _pooling, 'pooling_param'),
    'ReLU': (range(1, 2), _relu, 'relu_param'),
    'Reshape': (range(1, 2), _reshape, 'reshape_param'),
    'Scale': (range(1, 3), _scale, 'scale_param'),
    'Sigmoid': (range(1, 2), _sigmoid, 'sigmoid_param'),
    'Split': (range(1, 2), _split),
}
