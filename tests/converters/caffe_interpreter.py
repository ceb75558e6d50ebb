"""The forward pass of Caffe in plain torch, layer by layer: the oracle for the released networks.

It knows nothing of senet_mm. The layers come from ``tests/golden/caffe_nets.json``, which was read
off the deploy files of hujie-frank/SENet; the rules are those of Caffe's layers at test time.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

GOLDEN = Path(__file__).parents[1] / 'golden' / 'caffe_nets.json'

Blobs = dict[str, list[np.ndarray]]


class Layer(NamedTuple):
    """One layer of a deploy file; ``kernel`` None pools globally."""

    name: str
    type: str
    bottoms: list[str]
    tops: list[str]
    blob_shapes: list[list[int]]
    kernel: int | None
    stride: int
    pad: int
    group: int
    pool: str | None
    axis: int
    dims: list[int]
    eps: float = 1e-5


class Net(NamedTuple):
    """A released network and its counts: learned parameters, multiply-adds of conv and fc."""

    input: list[int]
    params: int
    macs: int
    layers: list[Layer]


def load_nets() -> dict[str, Net]:
    """The seven networks, by name."""
    nets = json.loads(GOLDEN.read_text())['nets']
    return {name: Net(**(net | {'layers': expand(net['layers'])})) for name, net in nets.items()}


def expand(rows: list[dict]) -> list[Layer]:
    """Fill in what the golden file leaves out; its ``keys`` say what that is."""
    layers = []
    for row in rows:
        bottoms = row.get('b', layers[-1].tops if layers else [])
        layers.append(
            Layer(
                name=row['n'],
                type=row['t'],
                bottoms=bottoms,
                tops=bottoms if 'i' in row else row.get('o', [row['n']]),
                blob_shapes=row.get('w', []),
                kernel=row.get('k', None if row['t'] == 'Pooling' else 1),
                stride=row.get('s', 1),
                pad=row.get('p', 0),
                group=row.get('g', 1),
                pool=row.get('m'),
                axis=row.get('a', 1),
                dims=row.get('d', []),
            )
        )
    return layers


def convolution(layer: Layer, blobs: list[Tensor], x: Tensor) -> Tensor:
    """The output size is rounded down."""
    bias = blobs[1] if len(blobs) > 1 else None
    return functional.conv2d(x, blobs[0], bias, layer.stride, layer.pad, groups=layer.group)


def pooling(layer: Layer, blobs: list[Tensor], x: Tensor) -> Tensor:
    """The output size is rounded up; a window that overhangs the padded map is cut off there.

    MAX sees no padding. AVE sums without it, but divides by the area of the window with it.
    """
    if layer.kernel is None:
        assert layer.pool == 'AVE'
        return x.mean((2, 3), keepdim=True)
    right = [pool_padding(layer, side) for side in x.shape[2:]]
    sides = (layer.pad, right[1], layer.pad, right[0])
    if layer.pool == 'MAX':
        padded = functional.pad(x, sides, value=-math.inf)
        return functional.max_pool2d(padded, layer.kernel, layer.stride)
    overhang = (0, right[1] - layer.pad, 0, right[0] - layer.pad)
    padded_area = [side + 2 * layer.pad for side in x.shape[2:]]
    area = functional.pad(torch.ones(1, 1, *padded_area, dtype=x.dtype), overhang)
    total, area = (
        functional.avg_pool2d(value, layer.kernel, layer.stride, divisor_override=1)
        for value in (functional.pad(x, sides), area)
    )
    return total / area


def pool_padding(layer: Layer, side: int) -> int:
    """Padding after the map that gives Caffe's output size; negative where it is cropped."""
    size = math.ceil((side + 2 * layer.pad - layer.kernel) / layer.stride) + 1
    if layer.pad and (size - 1) * layer.stride >= side + layer.pad:
        size -= 1
    return (size - 1) * layer.stride + layer.kernel - side - layer.pad


def batch_norm(layer: Layer, blobs: list[Tensor], x: Tensor) -> Tensor:
    """Mean and variance are stored times a factor; a factor of 0 stands for 0 statistics."""
    factor = blobs[2].item()
    mean, var = (channelwise(blob / factor if factor else blob * 0) for blob in blobs[:2])
    return (x - mean) / torch.sqrt(var + layer.eps)


def scale(layer: Layer, blobs: list[Tensor], x: Tensor, gate: Tensor | None = None) -> Tensor:
    """Blobs along axis 1, or a second bottom along the axes from ``axis``."""
    if gate is None:
        return x * channelwise(blobs[0]) + channelwise(blobs[1])
    trailing = x.dim() - layer.axis - gate.dim()
    return x * gate.reshape(*gate.shape, *[1] * trailing)


def channelwise(blob: Tensor) -> Tensor:
    return blob.reshape(1, -1, 1, 1)


def inner_product(layer: Layer, blobs: list[Tensor], x: Tensor) -> Tensor:
    return x.flatten(1) @ blobs[0].T + blobs[1]


def axpy(layer: Layer, blobs: list[Tensor], gate: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return gate * x + y


def reshape(layer: Layer, blobs: list[Tensor], x: Tensor) -> Tensor:
    """A 0 in ``dims`` copies the axis of the bottom."""
    return x.reshape([dim or x.shape[axis] for axis, dim in enumerate(layer.dims)])


OPS: dict[str, Callable[..., Tensor]] = {
    'Axpy': axpy,
    'BatchNorm': batch_norm,
    'Concat': lambda layer, blobs, *xs: torch.cat(xs, 1),
    'Convolution': convolution,
    'Eltwise': lambda layer, blobs, x, y: x + y,
    'Dropout': lambda layer, blobs, x: x,
    'InnerProduct': inner_product,
    'Pooling': pooling,
    'ReLU': lambda layer, blobs, x: x.clamp(min=0),
    'Reshape': reshape,
    'Scale': scale,
    'Sigmoid': lambda layer, blobs, x: x.sigmoid(),
    'Softmax': lambda layer, blobs, x: x.softmax(1),
}


def run(
    layers: list[Layer], blobs: Blobs, image: Tensor, tops: tuple[str, ...] = ('classifier',)
) -> list[Tensor]:
    """The last values of ``tops`` for an image (N, C, H, W), in the precision of the image."""

    def given(layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
        arrays = blobs.get(layer.name, [])
        assert [list(array.shape) for array in arrays] == layer.blob_shapes, layer.name
        return [torch.as_tensor(array, dtype=image.dtype) for array in arrays]

    return walk(layers, given, image, tops)


def walk(
    layers: list[Layer],
    get_blobs: Callable[[Layer, list[Tensor]], list[Tensor]],
    image: Tensor,
    tops: tuple[str, ...],
) -> list[Tensor]:
    """Run the layers in their order; what no later layer reads is freed."""
    last_use = {name: i for i, layer in enumerate(layers) for name in layer.bottoms}
    values = {layers[0].tops[0]: image}
    for i, layer in enumerate(layers[1:], start=1):
        inputs = [values[name] for name in layer.bottoms]
        values[layer.tops[0]] = OPS[layer.type](layer, get_blobs(layer, inputs), *inputs)
        for name in layer.bottoms:
            if last_use[name] == i and name not in (*layer.tops, *tops):
                del values[name]
    return [values[name] for name in tops]


def random_blobs(
    layers: list[Layer], image: Tensor, factor: float = 999.98, top: str = 'classifier'
) -> Blobs:
    """Blobs for which a mistake in any of them shows: nothing is 0, 1 or a power of 2.

    Each layer is drawn while the image passes through: weights that give outputs of order 1, and
    the logits with them; statistics near those of the image, so that no depth explodes or dies out.

    Args:
        layers: Layers of the network.
        image: Image of shape (N, C, H, W), float32.
        factor: Third blob of each BatchNorm.
        top: The logits.
    """
    rng = torch.Generator().manual_seed(0)
    drawn = {}

    def draw(layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
        if not layer.blob_shapes:
            return []
        drawn[layer.name] = DRAWS[layer.type](layer, inputs[0], rng)
        if layer.type == 'BatchNorm':
            drawn[layer.name] = [blob * factor for blob in drawn[layer.name]]
        return drawn[layer.name]

    walk(layers, draw, image, tops=(top,))
    return {name: [blob.numpy() for blob in blobs] for name, blobs in drawn.items()}


def draw_linear(layer: Layer, x: Tensor, rng: torch.Generator) -> list[Tensor]:
    """Weight, and a bias where there is one, of a Convolution or an InnerProduct."""
    shape, *bias_shapes = layer.blob_shapes
    power = x.square().mean().item() or 1  # a ReLU may leave nothing of a few channels
    std = 1 / math.sqrt(power * math.prod(shape[1:]))
    weight = torch.randn(shape, generator=rng) * std
    return [weight, *(torch.randn(shape, generator=rng) / 2 for shape in bias_shapes)]


def draw_statistics(layer: Layer, x: Tensor, rng: torch.Generator) -> list[Tensor]:
    """Mean, variance and 1; near those of ``x``, but for channels with next to no variance."""
    var, mean = torch.var_mean(x, (0, 2, 3))
    var = (var + var.mean()) / 2
    mean = mean + 0.2 * var.sqrt() * torch.randn(mean.shape, generator=rng)
    return [mean, var * (0.5 + 1.5 * torch.rand(var.shape, generator=rng)), torch.ones(1)]


def draw_affine(layer: Layer, x: Tensor, rng: torch.Generator) -> list[Tensor]:
    """Gamma and beta."""
    gamma, beta = layer.blob_shapes
    return [0.5 + torch.rand(gamma, generator=rng), 0.3 * torch.randn(beta, generator=rng)]


DRAWS = {
    'BatchNorm': draw_statistics,
    'Convolution': draw_linear,
    'InnerProduct': draw_linear,
    'Scale': draw_affine,
}
