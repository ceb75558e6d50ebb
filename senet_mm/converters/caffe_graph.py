"""The graph of a network that a prototxt defines, at test time, without loss and softmax."""

from senet_mm.utils.errors import InputError
from senet_mm.utils.options import shorten

from .caffe_layers import LAYERS, GraphBuilder
from .caffe_phases import list_layers
from .network_graph import Graph
from .prototxt import Fields, Layer, parse_integer
from .text_format import Message

# They read the logits and are no part of the network.
HEADS = ('Accuracy', 'ArgMax', 'Silence', 'Softmax')


def read_graph(net: Message) -> Graph:
    """The graph of a definition.

    Raises:
        InputError: A layer is not known or makes no sense, or there is not one result.
    """
    graph = GraphBuilder()
    if shape := _top_level_shape(net):
        layer = Layer('data', 'Input', [], net.texts('input')[:1], Message())
        graph.values[layer.tops[0]] = graph.add(layer, 'image', [], shape)
    for layer in list_layers(net):
        try:
            if not layer.bottoms:
                _read_image(graph, layer)
            elif layer.type not in HEADS and not layer.type.endswith('Loss'):
                _read_layer(graph, layer)
        except InputError as error:
            name = f'{shorten(layer.name)} ({shorten(layer.type)})'
            raise InputError(f'layer {name}: {error}') from error
    if not graph.nodes:
        raise InputError('it has no layers')
    read = {index for node in graph.nodes for index in node.inputs}
    results = [i for i in range(len(graph.nodes)) if i not in read]
    if len(results) != 1:
        names = ', '.join(shorten(graph.nodes[i].name) for i in results[:3])
        raise InputError(f'it has {len(results)} results ({names}); allowed: one')
    return Graph(graph.nodes, results[0])


def _read_layer(graph: GraphBuilder, layer: Layer) -> None:
    """Append a layer."""
    for bottom in layer.bottoms:
        if bottom not in graph.values:
            raise InputError(f'no layer before it writes {shorten(bottom)}')
    if layer.type not in LAYERS:
        raise InputError(f'its type is not known; allowed: {", ".join(LAYERS)}')
    count, convert, *names = LAYERS[layer.type]
    inputs = [graph.values[bottom] for bottom in layer.bottoms]
    if len(inputs) not in count or not layer.tops:
        raise InputError(f'it has {len(inputs)} bottoms and {len(layer.tops)} tops')
    fields = layer.fields(*names)
    index = convert(graph, layer, fields, inputs)
    fields.check_read()
    graph.values |= dict.fromkeys(layer.tops, index)


def _read_image(graph: GraphBuilder, layer: Layer) -> None:
    """A layer without bottoms: its first top is the image, the others are labels."""
    if not layer.tops or graph.nodes:
        raise InputError('it reads nothing; allowed: one such layer, the image')
    graph.values[layer.tops[0]] = graph.add(layer, 'image', [], _shape_of_image(layer))


def _top_level_shape(net: Message) -> tuple[int, ...] | None:
    """The shape of the image, (C, H, W), where it stands before the layers."""
    shapes = net.messages('input_shape')
    dims = shapes[0].texts('dim') if shapes else net.texts('input_dim')[:4]
    return _to_shape(dims) if dims and net.texts('input') else None


def _shape_of_image(layer: Layer) -> tuple[int, ...]:
    """The shape of the image of a layer: its own, or the crop of a layer that reads files."""
    message = layer.message
    for shape in message.message('input_param').messages('shape')[:1]:
        return _to_shape(shape.texts('dim'))
    transform = message.message('transform_param')
    if crop := transform.text('crop_size'):
        channels = '1' if Fields(transform).flag('force_gray', False) else '3'
        return _to_shape(['1', channels, crop, crop])
    raise InputError('it has no size; allowed: input_param.shape, transform_param.crop_size')


def _to_shape(dims: list[str]) -> tuple[int, ...]:
    if len(dims) != 4:
        raise InputError(f'an image of {len(dims)} axes; allowed: N, C, H, W')
    return tuple(parse_integer('dim', dim, 1) for dim in dims[1:])
