"""Networks of Caffe as other people name them, for the interpreter and as prototxt.

Like the interpreter, this knows nothing of senet_mm. Sources: the deploy file of
shicai/SENet-Caffe, and the module in the README of farmingyard/SENet.
"""

from .caffe_interpreter import Layer


class Definition:
    """A network that is being written, layer by layer.

    Args:
        norm: Ends of the names of a BatchNorm and its Scale.
        eps: Of the norms.
    """

    def __init__(self, norm: tuple[str, str] = ('/bn', '/scale'), eps: float = 1e-5) -> None:
        self.norm, self.eps = norm, eps
        self.layers: list[Layer] = []
        self.channels = {'data': 3}
        self.add('data', 'Input', [])

    def add(self, name: str, kind: str, bottoms: list[str], shapes=(), top='', **settings) -> str:
        """Append a layer, and return what it writes."""
        defaults = dict(kernel=1, stride=1, pad=0, group=1, pool=None, axis=1, dims=[])
        self.layers.append(
            Layer(name, kind, bottoms, [top or name], list(shapes), **defaults | settings)
        )
        if kind != 'Input':
            channels = shapes[0][0] if len(bottoms) == 1 and shapes else self.channels[bottoms[0]]
            self.channels[top or name] = channels
        return top or name

    def conv(self, name: str, bottom: str, out: int, kernel=1, stride=1, group=1) -> str:
        """A convolution that keeps the size at stride 1, and its norm."""
        shape = [out, self.channels[bottom] // group, kernel, kernel]
        settings = dict(kernel=kernel, stride=stride, pad=kernel // 2, group=group)
        self.add(name, 'Convolution', [bottom], [shape], **settings)
        norm, scale = (name + end for end in self.norm)
        shapes = [[out], [out], [1]]
        self.add(norm, 'BatchNorm', [name], shapes, top=name, eps=self.eps)
        self.add(scale, 'Scale', [name], [[out], [out]], top=name)
        return name

    def relu(self, name: str, bottom: str) -> str:
        """A ReLU in place."""
        return self.add(name, 'ReLU', [bottom], top=bottom)

    def inner_product(self, name: str, bottom: str, out: int) -> str:
        """A fully connected layer."""
        shapes = [[out, self.channels[bottom]], [out]]
        return self.add(name, 'InnerProduct', [bottom], shapes)

    def global_pool(self, name: str, bottom: str) -> str:
        """The average of the map."""
        return self.add(name, 'Pooling', [bottom], kernel=None, pool='AVE')

    def scale(self, name: str, bottom: str, gate: str) -> str:
        """A map times a gate (N, C)."""
        return self.add(name, 'Scale', [bottom, gate], axis=0)


def shicai_seresnet50(blocks: tuple[int, ...] = (3, 4, 6, 3)) -> list[Layer]:
    """SE-ResNet-50 of shicai/SENet-Caffe, whose logits are ``fc6``."""
    net = Definition(eps=1e-4)
    x = net.relu('relu1', net.conv('conv1', 'data', 64, 7, 2))
    x = net.add('pool1', 'Pooling', [x], kernel=3, stride=2, pool='MAX')
    for stage, number in enumerate(blocks, start=2):
        width = 16 << stage
        for i in range(1, number + 1):
            at, stride = f'{stage}_{i}', 2 if i == 1 and stage > 2 else 1
            shortcut = net.conv(f'conv{at}/prj', x, 4 * width, stride=stride) if i == 1 else x
            y = net.relu(f'relu{at}/x1', net.conv(f'conv{at}/x1', x, width))
            y = net.relu(f'relu{at}/x2', net.conv(f'conv{at}/x2', y, width, 3, stride))
            y = net.conv(f'conv{at}/x3', y, 4 * width)
            gate = net.inner_product(f'fc{at}/sqz', net.global_pool(f'pool{at}/gap', y), width // 4)
            gate = net.inner_product(f'fc{at}/exc', net.relu(f'relu{at}/sqz', gate), 4 * width)
            gate = net.add(f'sigm{at}/gate', 'Sigmoid', [gate], top=gate)
            y = net.scale(f'scale{at}', y, gate)
            x = net.relu(f'relu{at}', net.add(f'block_{at}', 'Eltwise', [shortcut, y]))
    x = net.global_pool('pool5', x)
    net.add('fc6', 'Convolution', [x], [[1000, 2048, 1, 1], [1000]])
    return net.layers


def add_plain_se(net: Definition, name: str, bottom: str, hidden: int) -> str:
    """The module that farmingyard/SENet adds to any layer."""
    squeezed = net.global_pool(f'{name}/pool', bottom)
    x = net.relu(f'relu_{name}/ip1', net.inner_product(f'{name}/ip1', squeezed, hidden))
    gate = net.inner_product(f'{name}/ip2', x, net.channels[bottom])
    gate = net.add(f'sigmoid_{name}/ip2', 'Sigmoid', [gate], top=gate)
    return net.scale(f'{name}/scale', bottom, gate)


def plain_small_cnn(ratio: int = 16, stride: int = 2, with_se: bool = True) -> list[Layer]:
    """Six convolutions after a stem, each with the plain module; 10 classes."""
    net = Definition()
    x = net.relu('relu0', net.conv('first', 'data', 64, 3))
    for stage, width in enumerate((64, 128, 256), start=1):
        for i in (1, 2):
            at = f'{stage}_{i}'
            step = stride if stage > 1 and i == 1 else 1
            x = net.relu(f'relu{at}', net.conv(f'part{at}', x, width, 3, step))
            if with_se:
                x = add_plain_se(net, f'se{at}', x, width // ratio)
    net.inner_product('score', net.global_pool('last', x), 10)
    return net.layers


def plain_mobilenet() -> list[Layer]:
    """MobileNet as shicai/MobileNet-Caffe names it, with the plain module after every ``sep``."""
    net = Definition()
    x = net.relu('relu1', net.conv('conv1', 'data', 32, 3, 2))
    stages = ((64, 1),), ((128, 2), (128, 1)), ((256, 2), (256, 1))
    stages += ((512, 2), *[(512, 1)] * 5), ((1024, 2), (1024, 1))
    for stage, rows in enumerate(stages, start=2):
        for i, (width, stride) in enumerate(rows, start=1):
            at, before = f'{stage}_{i}', net.channels[x]
            x = net.relu(
                f'relu{at}/dw', net.conv(f'conv{at}/dw', x, before, 3, stride, group=before)
            )
            x = net.relu(f'relu{at}/sep', net.conv(f'conv{at}/sep', x, width))
            x = add_plain_se(net, f'se{at}', x, width // 16)
    net.inner_product('fc7', net.global_pool('pool6', x), 1000)
    return net.layers


def to_prototxt(layers: list[Layer], side: int, channels: int = 3) -> str:
    """The definition of a network as text, with the fillers and rates that such files have."""
    lines = ['name: "net"  # a comment', 'input: "data"', 'input_shape {']
    lines += [f'  dim: {n}' for n in (1, channels, side, side)] + ['}']
    for layer in layers[1:]:
        ends = [f'bottom: "{name}"' for name in layer.bottoms]
        ends += [f'top: "{name}"' for name in layer.tops]
        rates = ['param { lr_mult: 1.0 decay_mult: 1.0 }'] * len(layer.blob_shapes)
        lines += [f'layer {{ name: "{layer.name}" type: "{layer.type}"', *ends, *rates]
        lines += [f'{message} {{ {fields} }}' for message, fields in settings(layer)]
        lines.append('}')
    return '\n'.join(lines) + '\n'


def settings(layer: Layer):
    """The message of a layer, and its fields."""
    shapes = layer.blob_shapes
    if layer.type in ('Convolution', 'InnerProduct'):
        fields = f'num_output: {shapes[0][0]} bias_term: {str(len(shapes) > 1).lower()}'
        fields += ' weight_filler { type: "msra" }'
        if layer.type == 'Convolution':
            fields += f' kernel_size: {layer.kernel} stride: {layer.stride} pad: {layer.pad}'
            fields += f' group: {layer.group}, engine: CAFFE'
        yield layer.type.replace('P', '_P').replace('I', 'i').lower() + '_param', fields
    if layer.type == 'Pooling' and layer.kernel is None:
        yield 'pooling_param', f'pool: {layer.pool} global_pooling: true'
    elif layer.type == 'Pooling':
        fields = f'pool: {layer.pool} kernel_size: {layer.kernel} stride: {layer.stride}'
        yield 'pooling_param', f'{fields} pad: {layer.pad}'
    if layer.type == 'BatchNorm':
        yield 'batch_norm_param', f'use_global_stats: true eps: {layer.eps}'
    if layer.type == 'Scale':
        yield 'scale_param', f'axis: {layer.axis} bias_term: {str(bool(shapes)).lower()}'
    if layer.type == 'Reshape':
        dims = ' '.join(f'dim: {dim}' for dim in layer.dims)
        yield 'reshape_param', f'shape {{ {dims} }}'
