"""The preparation of images, and the names of classes, as parts of an ONNX network."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir
from onnx_ir import DataType, Graph, Value
from onnxscript import GraphBuilder, OpBuilder

from senet_mm.datasets.images.resizing import LONGEST
from senet_mm.utils.errors import InputError
from senet_mm.utils.names import encodable
from senet_mm.utils.options import check_option

from .resampling import FLOAT, INT64, RESIZERS, Axis, build_resize, divide, to_planes

OPSET = 20
# Before all names of the network.
NETWORK = 'network/'


def check_preparation(preprocessing: Mapping[str, Any]) -> None:
    """Raise an InputError for a preparation of images that is not known or cannot be exact."""
    problem = 'preprocessing cannot be exported'
    for name, what in (('mean', 'data_preprocessor'), ('resize', 'pipeline of test_dataloader')):
        if name not in preprocessing:
            raise InputError(
                f'{problem}: it is not known what the {what} does; allowed: ClsDataPreprocessor, '
                'and a pipeline of ResizeEdge or Resize, CenterCrop'
            )
    if preprocessing.get('bits') == 16:
        raise InputError(
            f'{problem}: the network was trained on images of 16 bits, the exported one takes bytes'
            '; allowed: without the preprocessing'
        )
    if preprocessing['resize'] is not None:
        backend, interpolation = (preprocessing[key] for key in ('backend', 'interpolation'))
        check_option(f'{problem}: interpolation of {backend}', interpolation, RESIZERS[backend])
    if is_premultiplied(preprocessing):
        raise InputError(
            f'{problem}: Resize by pillow multiplies RGBA images by alpha; allowed: ResizeEdge, cv2'
        )
    if prepared_size(preprocessing) is None:
        raise InputError(
            f'{problem}: resize={preprocessing["resize"]} gives images of several sizes; allowed: '
            'CenterCrop after it, a Resize to a width and a height'
        )


def is_any_size(preprocessing: Mapping[str, Any]) -> bool:
    """Whether images of other sizes are brought to that of the network."""
    return preprocessing['resize'] is not None or preprocessing['crop'] is not None


def is_premultiplied(preprocessing: Mapping[str, Any]) -> bool:
    """Whether mmcv's ``Resize`` gives images of four channels to Pillow, for RGBA."""
    by_pillow = isinstance(preprocessing['resize'], list) and preprocessing['backend'] == 'pillow'
    return by_pillow and preprocessing.get('input_size', [3])[0] == 4


def prepared_size(preprocessing: Mapping[str, Any]) -> list[int] | None:
    """Height and width of prepared images; None where they differ from image to image."""
    if (crop := preprocessing['crop']) is not None:
        return both_sides(crop)
    if (side := preprocessing['resize']) is not None:
        return None if isinstance(side, int) else side[::-1]
    return preprocessing.get('input_size', [None])[1:] or None


def both_sides(value: int | list[int]) -> list[int]:
    """[height, width] of a side, or of [width, height]."""
    return [value, value] if isinstance(value, int) else value[::-1]


def build_preparation(
    preprocessing: Mapping[str, Any], channels: int, opset: int = OPSET
) -> onnx.ModelProto:
    """From ``images``, uint8 (N, H, W, C), to ``prepared``, float32 (N, C, h, w).

    Images are grey, RGB or RGBA; of other numbers of channels in the order of the network.

    Args:
        preprocessing: See :func:`check_preparation`.
        channels: C.
        opset: Version of the operators.
    """
    with building(opset) as builder:
        size = ['H', 'W'] if is_any_size(preprocessing) else preprocessing['input_size'][1:]
        images = builder.input('images', DataType.UINT8, ['N', *size, channels])
        prepared = prepare(builder.op, images, preprocessing, channels)
        prepared.shape = onnx_ir.Shape(['N', channels, *(prepared_size(preprocessing) or 'HW')])
        builder.add_output(prepared, 'prepared')
    return to_model(builder)


def build_prediction(classes: Sequence[str] | None, opset: int = OPSET) -> onnx.ModelProto:
    """From ``logits``, float32 (N, classes), to mmpretrain's keys.

    ``pred_scores`` (N, classes), ``pred_label`` (N,), int64, and ``pred_class`` (N,), strings, if
    the classes have names. ONNX has strings of UTF-8: see :func:`.encodable`.
    """
    with building(opset) as builder:
        op = builder.op
        logits = builder.input('logits', DataType.FLOAT, ['N', 'classes'])
        label = op.ArgMax(logits, axis=1, keepdims=0)
        builder.add_output(op.Softmax(logits, axis=1), 'pred_scores')
        builder.add_output(label, 'pred_label')
        if classes:
            names = builder.initializer(onnx_ir.tensor(list(map(encodable, classes))), 'classes')
            builder.add_output(op.Gather(names, label), 'pred_class')
    return to_model(builder)


def add_images(
    network: onnx.ModelProto, record: Mapping[str, Any], channels: int
) -> onnx.ModelProto:
    """A network that prepares its images, and names what it predicts.

    Args:
        network: From prepared images (N, C, H, W), float32, to logits (N, classes).
        record: ``preprocessing`` and ``classes``.
        channels: C.

    Returns:
        The network with the inputs of :func:`build_preparation` and the outputs of
        :func:`build_prediction`.
    """
    network = onnx.compose.add_prefix(network, NETWORK)
    [image], [logits] = network.graph.input, network.graph.output
    [opset] = [entry.version for entry in network.opset_import if entry.domain == '']
    before = build_preparation(record['preprocessing'], channels, opset)
    after = build_prediction(record['classes'], opset)
    for part in (before, after):
        part.ir_version = network.ir_version
    whole = onnx.compose.merge_models(before, network, [('prepared', image.name)])
    return onnx.compose.merge_models(whole, after, [(logits.name, 'logits')])


@contextlib.contextmanager
def building(opset: int) -> Iterator[GraphBuilder]:
    """A new graph, and within this context the arithmetic of its values."""
    builder = GraphBuilder(Graph([], [], nodes=[], opset_imports={'': opset}, name='senet_mm'))
    earlier = onnx_ir.set_value_magic_handler(builder.op)
    try:
        yield builder
    finally:
        onnx_ir.set_value_magic_handler(earlier)


def to_model(builder: GraphBuilder) -> onnx.ModelProto:
    return onnx_ir.to_proto(onnx_ir.Model(builder.graph, ir_version=10))


def prepare(op: OpBuilder, images: Value, preprocessing: Mapping[str, Any], channels: int) -> Value:
    """Resize, crop, order and normalise: uint8 (N, H, W, C) to float32 (N, C, h, w)."""
    resized = resize_and_crop(op, images, preprocessing)
    if preprocessing['channel_order'] == 'BGR':
        resized = op.Gather(resized, [2, 1, 0, *range(3, channels)], axis=1)
    levels = op.Cast(resized, to=FLOAT)
    if preprocessing['mean'] is None:
        return levels
    mean, std = (
        op.initializer(onnx_ir.tensor(per_channel(preprocessing[name]), name=name))
        for name in ('mean', 'std')
    )
    return (levels - mean) / std


def per_channel(values: list[float]) -> np.ndarray:
    """float32 (C, 1, 1)."""
    return np.array(values, dtype=np.float32).reshape(-1, 1, 1)


def resize_and_crop(op: OpBuilder, images: Value, preprocessing: Mapping[str, Any]) -> Value:
    """Grey levels (N, C, h, w) of uint8 images (N, H, W, C)."""
    side = preprocessing['resize']
    if isinstance(side, int):
        images = build_cut(op, images)
    before = op.Shape(images, start=1, end=3)
    after = before if side is None else resized_size(op, before, side, preprocessing['edge'])
    wanted, first = after, after - after
    if (crop := preprocessing['crop']) is not None:
        wanted = op.Min(after, op.Constant(value_ints=both_sides(crop)))
        # Half a pixel to the even side, as Python's `round`.
        first = op.Cast(op.Round(divide(op, after - wanted, op.Constant(value_ints=[2]))), to=INT64)
    if side is None:
        return to_planes(op, op.Slice(images, first, first + wanted, [1, 2]))
    sizes = (op.Split(size, num_outputs=2, _outputs=2) for size in (before, after, first, wanted))
    rows, columns = (Axis(*values) for values in zip(*sizes, strict=True))
    names = preprocessing['backend'], preprocessing['interpolation']
    return build_resize(op, images, rows, columns, *names)


def build_cut(op: OpBuilder, images: Value) -> Value:
    """As :func:`senet_mm.datasets.images.resizing.cut_ends`."""
    size = op.Shape(images, start=1, end=3)
    kept = op.Min(size, op.ReduceMin(size, keepdims=1) * LONGEST)
    first = (size - kept) / 2
    return op.Slice(images, first, first + kept, [1, 2])


def resized_size(op: OpBuilder, size: Value, side: int | list[int], edge: str) -> Value:
    """Height and width of resized images, (2,), cut to whole pixels."""
    if isinstance(side, list):
        return op.Constant(value_ints=side[::-1])
    edges = dict(
        short=lambda: op.ReduceMin(size, keepdims=1),
        long=lambda: op.ReduceMax(size, keepdims=1),
        height=lambda: op.Slice(size, [0], [1]),
        width=lambda: op.Slice(size, [1], [2]),
    )
    return size * side / edges[edge]()
