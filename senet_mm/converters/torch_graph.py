"""The graph of a network of ours: the operations of one forward pass, by ``torch.export``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

from senet_mm.utils.meta import computing_once, evaluating

from .network_graph import Graph, GraphNode

if TYPE_CHECKING:
    from collections.abc import Sequence

# What an operation is, and what it is set to, from its arguments.
Described = tuple[str, dict[str, Any]]


def read_model(model: nn.Module, shape: tuple[int, ...]) -> Graph:
    """The graph of a network in eval mode.

    Args:
        model: The network, on the meta device: nothing is computed.
        shape: Shape of the image, (C, H, W).

    Raises:
        RuntimeError: The network does not take such an image.
    """
    with evaluating(model), computing_once(model):
        program = torch.export.export(model, (torch.empty(1, *shape, device='meta'),))
    signature = program.graph_signature
    weights = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    reader = _Reader(weights)
    for node in program.graph.nodes:
        reader.read(node)
    assert reader.result is not None
    return Graph(reader.nodes, reader.result)


class _Reader:
    """A program that is being read.

    Args:
        weights: Input of the program -> name of a parameter or buffer.
    """

    def __init__(self, weights: dict[str, str]) -> None:
        self.weights = weights
        self.nodes: list[GraphNode] = []
        self.values: dict[fx.Node, int] = {}
        self.result: int | None = None

    def read(self, node: fx.Node) -> None:
        """Append the operations of a node."""
        if node.op == 'placeholder' and node.name not in self.weights:
            self.values[node] = self._add(node, 'image', {}, [], [])
        elif node.op == 'output':
            [self.result] = [self.values[result] for result in _argument(node, 0)]
        elif node.op == 'call_function':
            inputs = [n for n in node.all_input_nodes if n.name not in self.weights]
            name = str(node.target).removeprefix('aten.').partition('.')[0]
            self.values[node] = self._call(node, name.rstrip('_'), inputs)
            if name.endswith('_'):  # in place: later nodes read the result under the old name
                self.values[inputs[0]] = self.values[node]

    def _call(self, node: fx.Node, name: str, inputs: list[fx.Node]) -> int:
        before = [self.values[i] for i in inputs]
        weights = [self.weights[n.name] for n in node.all_input_nodes if n.name in self.weights]
        if name in NOTHING or (name in VIEWS and _rows(inputs[0])[1:] == (1, 1)):
            return before[0]
        if name == 'batch_norm' and len(weights) == 4:
            gain, offset, *statistics = weights
            norm = self._add(node, 'norm', dict(eps=_argument(node, 7)), before, statistics)
            return self._add(node, 'affine', dict(bias=True), [norm], [gain, offset])
        op, form = OPERATIONS[name](node) if name in OPERATIONS else (name, _arguments(node))
        return self._add(node, op, form, before, weights)

    def _add(
        self,
        node: fx.Node,
        op: str,
        form: dict[str, Any],
        inputs: 'Sequence[int]',
        weights: 'Sequence[str]',
    ) -> int:
        shape = _rows(node)
        modules = list(node.meta.get('nn_module_stack', {}).values())
        path, kind = modules[-1] if modules else ('', 'operation')
        kind = kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__
        self.nodes.append(
            GraphNode(
                path or op, kind, op, tuple(form.items()), tuple(inputs), shape, tuple(weights)
            )
        )
        return len(self.nodes) - 1


def _rows(node: fx.Node) -> tuple[int, ...]:
    """The shape of a result, (C, H, W): of a vector (C, 1, 1)."""
    value = node.meta['val']
    shape = tuple(value.shape[1:]) if isinstance(value, Tensor) else ()
    return (*shape, 1, 1)[:3] if len(shape) < 3 else shape


def _arguments(node: fx.Node) -> dict[str, Any]:
    """The arguments of an operation that Caffe does not have, as text."""
    return {'arguments': str([a for a in node.args if not isinstance(a, fx.Node)])}


def _pair(value: Any) -> tuple[int, int]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    return values[0], values[-1]


def _argument(node: fx.Node, index: int, default: Any = None) -> Any:
    return node.args[index] if len(node.args) > index else default


def _convolution(node: fx.Node) -> Described:
    """Of a map, with padding on all sides."""
    weight = _argument(node, 1).meta['val']
    groups = _argument(node, 6, 1)
    pad = _argument(node, 4, 0)
    return 'convolution', dict(
        channels=(weight.shape[1] * groups, weight.shape[0]), kernel=tuple(weight.shape[2:]),
        stride=_pair(_argument(node, 3, 1)), pad=pad if isinstance(pad, str) else _pair(pad),
        dilation=_pair(_argument(node, 5, 1)), groups=groups,
        bias=_argument(node, 2) is not None,
    )  # fmt: skip


def _linear(node: fx.Node) -> Described:
    weight = _argument(node, 1).meta['val']
    return 'convolution', dict(
        channels=(weight.shape[1], weight.shape[0]), kernel=(1, 1), stride=(1, 1), pad=(0, 0),
        dilation=(1, 1), groups=1, bias=_argument(node, 2) is not None,
    )  # fmt: skip


def _pooling(node: fx.Node) -> Described:
    average = str(node.target).startswith('aten.avg_pool2d')
    op = 'average' if average else 'maximum'
    kernel, pad = _pair(_argument(node, 1)), _pair(_argument(node, 3, 0))
    size = _rows(_argument(node, 0))[1:]
    if kernel == size and pad == (0, 0):
        return f'{op} of the map', {}
    form: dict[str, Any] = dict(
        kernel=kernel, stride=_pair(_argument(node, 2) or kernel), pad=pad, size=_rows(node)[1:]
    )
    # Dilation; or padding that an average does not count, and another divisor.
    odd = (
        (not _argument(node, 5, True) or _argument(node, 6) is not None)
        if average
        else _pair(_argument(node, 4, 1)) != (1, 1)
    )
    if odd:
        form |= _arguments(node)
    return op, form


def _average(node: fx.Node) -> Described:
    """Of rows and columns, to one value a channel."""
    axes = _argument(node, 1)
    of_map = {axis % 4 for axis in axes} == {2, 3} if 'mean' in str(node.target) else axes == [1, 1]
    return ('average of the map', {}) if of_map else (str(node.target), _arguments(node))


def _concatenate(node: fx.Node) -> Described:
    axis = _argument(node, 1, 0)
    return 'concatenate', {} if axis == 1 else {'axis': axis}


def _flatten(node: fx.Node) -> Described:
    is_vector = node.meta['val'].dim() == 2
    return ('flatten', {}) if is_vector else (str(node.target), _arguments(node))


def _of_maps(op: str) -> Callable[[fx.Node], Described]:
    """An operation on maps alone; with another argument, such as ``alpha``, it is another one."""

    def describe(node: fx.Node) -> Described:
        odd = [a for a in (*node.args, *node.kwargs.values()) if not isinstance(a, fx.Node)]
        return op, {'arguments': str(odd)} if odd else {}

    return describe


# Views of one value a channel, and what is nothing at test time.
VIEWS = ('view', 'reshape', 'flatten', 'squeeze', 'unsqueeze', 'expand')
NOTHING = ('dropout', 'feature_dropout', 'contiguous', 'clone', 'alias', 'detach', 'identity')
OPERATIONS: dict[str, Callable[[fx.Node], Described]] = {
    'adaptive_avg_pool2d': _average,
    'add': _of_maps('add'),
    'avg_pool2d': _pooling,
    'cat': _concatenate,
    'conv2d': _convolution,
    'flatten': _flatten,
    'linear': _linear,
    'max_pool2d': _pooling,
    'mean': _average,
    'mul': _of_maps('multiply'),
    'relu': _of_maps('relu'),
    'reshape': _flatten,
    'sigmoid': _of_maps('sigmoid'),
    'view': _flatten,
}
