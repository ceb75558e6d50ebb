"""Resizing in ONNX operators, with the arithmetic of Pillow and of OpenCV, rounding included.

ONNX has an operator ``Resize``, which is neither of them: with antialiasing onnxruntime's differs
from Pillow by up to 18 grey levels. Here a pass of Pillow is a product with a matrix that follows
from the sizes. Its coefficients are whole numbers, so that double precision has no rounding.

``op`` makes nodes (:class:`onnxscript.OpBuilder`); the arithmetic of values does as well, within
:func:`.image_graph.building`. Images are uint8 (N, H, W, C), results whole grey levels
(N, C, H, W) of any type; sizes and places are int64 (1,).
Source: ``Resample.c`` and ``Geometry.c`` of Pillow, ``resize.cpp`` of OpenCV.
"""

from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

import onnx_ir
from onnx_ir import DataType, Value
from onnxscript import OpBuilder

from .pillow_filters import FILTERS

# Since this version the rows of tall images come first (found by comparing; it is not documented).
PILLOW = int(version('pillow').partition('.')[0])
DOUBLE, FLOAT, INT64, INT32 = DataType.DOUBLE, DataType.FLOAT, DataType.INT64, DataType.INT32


class Axis(NamedTuple):
    """Rows or columns: their number before and after resizing, and which of those are wanted.

    Attributes:
        before: Of the image.
        after: Of the whole resized image.
        first: The first that is wanted of the resized image.
        number: How many are wanted.
    """

    before: Value
    after: Value
    first: Value
    number: Value


def count_from(op: OpBuilder, first: Value, number: Value) -> Value:
    """``first, first + 1, ...``, double (number,)."""
    return op.Cast(op.Range(0, op.Squeeze(number), 1) + first, to=DOUBLE)


def divide(op: OpBuilder, a: Value, b: Value) -> Value:
    """The quotient of whole numbers, double."""
    return op.Cast(a, to=DOUBLE) / op.Cast(b, to=DOUBLE)


def column(op: OpBuilder, x: Value) -> Value:
    return op.Unsqueeze(x, [1])


def weigh(op: OpBuilder, axis: Axis, interpolation: str) -> tuple[Value, Value, Value]:
    """Coefficients of Pillow: whole numbers in double, (wanted, read), in units of 2**-22.

    Also which pixels of the image are read, from the first up to the last: of a large image, those
    of the crop.
    """
    function, reach = FILTERS[interpolation]
    scale = divide(op, axis.before, axis.after)
    stretch = op.Max(scale, op.CastLike(1.0, scale))
    centres = (count_from(op, axis.first, axis.number) + 0.5) * scale
    first = op.Max(op.Floor(centres - stretch * reach + 0.5), op.CastLike(0.0, scale))
    last = op.Min(op.Floor(centres + stretch * reach + 0.5), op.Cast(axis.before, to=DOUBLE))
    start = op.Cast(op.ReduceMin(first, keepdims=1), to=INT64)
    stop = op.Cast(op.ReduceMax(last, keepdims=1), to=INT64)
    pixels = count_from(op, start, stop - start)
    inside = op.And(op.GreaterOrEqual(pixels, column(op, first)), op.Less(pixels, column(op, last)))
    weights = function(op, (pixels - column(op, centres) + 0.5) * op.Reciprocal(stretch))
    weights = op.Where(inside, weights, op.CastLike(0.0, weights))
    weights = weights / op.ReduceSum(weights, [1], keepdims=1)
    return op.Floor(op.Abs(weights) * 2.0**22 + 0.5) * op.Sign(weights), start, stop


def resize_by_pillow(
    op: OpBuilder, images: Value, rows: Axis, columns: Axis, interpolation: str
) -> Value:
    """Weighted means of columns, then of rows, each rounded to grey levels; or the rows first."""
    vertical, top, bottom = weigh(op, rows, interpolation)
    horizontal, left, right = weigh(op, columns, interpolation)
    starts, stops = op.Concat(top, left, axis=0), op.Concat(bottom, right, axis=0)
    part = op.Cast(to_planes(op, op.Slice(images, starts, stops, [1, 2])), to=DOUBLE)
    horizontal = op.Transpose(horizontal, perm=[1, 0])

    def columns_first(op: OpBuilder) -> Value:
        return to_levels(op, op.MatMul(vertical, to_levels(op, op.MatMul(part, horizontal))))

    def rows_first(op: OpBuilder) -> Value:
        return to_levels(op, op.MatMul(to_levels(op, op.MatMul(vertical, part)), horizontal))

    if PILLOW < 13:
        return columns_first(op)
    lost_rows, lost_columns = (axis.before - axis.after for axis in (rows, columns))
    is_tall = op.And(op.Greater(lost_rows, lost_columns * 2), op.Greater(lost_rows, 0))
    return build_choice(op, is_tall, rows_first, columns_first)


def build_choice(
    op: OpBuilder, condition: Value, if_true: Callable[..., Value], if_false: Callable[..., Value]
) -> Value:
    """The result of one of two functions, of which only that one is computed."""

    def trace(function: Callable[..., Value], name: str) -> onnx_ir.Graph:
        def named(op: OpBuilder) -> Value:
            op.builder.push_module(name)  # or both have the same names
            return function(op)

        return op.builder.subgraph(named, [], [Value(name=name)], name=name)

    branches = dict(then_branch=trace(if_true, 'if_true'), else_branch=trace(if_false, 'if_false'))
    return op.If(op.Squeeze(condition), **branches)


def to_levels(op: OpBuilder, sums: Value) -> Value:
    """Grey levels, rounded, of sums in units of 2**-22."""
    # Arithmetic of values would put its nodes outside of a branch.
    levels = op.Floor(op.Div(op.Add(sums, 2.0**21), 2.0**22))
    return op.Clip(levels, op.CastLike(0.0, levels), op.CastLike(255.0, levels))


def to_planes(op: OpBuilder, images: Value) -> Value:
    """(N, C, H, W) of (N, H, W, C)."""
    return op.Transpose(images, perm=[0, 3, 1, 2])


class Neighbours(NamedTuple):
    """Two pixels of the image for each wanted one, and their weights in units of 2**-11."""

    first: Value
    second: Value
    of_first: Value
    of_second: Value


def find_neighbours(op: OpBuilder, axis: Axis, stop_at_ends: bool) -> Neighbours:
    """The neighbours of OpenCV; beyond the first and the last pixel only columns stop."""
    last = axis.before - 1
    scale = op.Reciprocal(divide(op, axis.after, axis.before))
    places = op.Cast((count_from(op, axis.first, axis.number) + 0.5) * scale - 0.5, to=FLOAT)
    if stop_at_ends:
        places = op.Clip(places, op.CastLike(0.0, places), op.Squeeze(op.CastLike(last, places)))
    floor = op.Floor(places)
    share = places - floor
    pixel = op.Cast(floor, to=INT64)
    pixels = [op.Max(op.Min(p, last), op.CastLike(0, last)) for p in (pixel, pixel + 1)]
    weights = [op.Cast(op.Round(part * 2048.0), to=INT32) for part in (1.0 - share, share)]
    return Neighbours(*pixels, *weights)


def resize_by_opencv(op: OpBuilder, images: Value, rows: Axis, columns: Axis) -> Value:
    """Bilinear: sums of two columns, then of two rows, in whole numbers, each cut to fewer bits."""
    row, pixel = find_neighbours(op, rows, False), find_neighbours(op, columns, True)
    parts = []
    for index, weights in ((row.first, row.of_first), (row.second, row.of_second)):
        line = to_planes(op, op.Gather(images, index, axis=1))
        first, second = (
            op.Cast(op.Gather(line, index, axis=3), to=INT32)
            for index in (pixel.first, pixel.second)
        )
        sums = first * pixel.of_first + second * pixel.of_second
        parts.append(sums / 16 * column(op, weights) / 65536)
    return (parts[0] + parts[1] + 2) / 4


def find_nearest(op: OpBuilder, axis: Axis, backend: str) -> Value:
    """For each wanted pixel that of the image which the nearest-pixel rule of a library takes."""
    if backend == 'cv2':
        scale = op.Reciprocal(divide(op, axis.after, axis.before))
        places = count_from(op, axis.first, axis.number) * scale
        return op.Cast(op.Min(op.Floor(places), op.Cast(axis.before - 1, to=DOUBLE)), to=INT64)
    # Pillow adds step to step; a product would be rounded otherwise.
    step = divide(op, axis.before, axis.after)
    places = op.CumSum(op.Concat(step * 0.5, op.Expand(step, axis.after - 1), axis=0), 0)
    places = op.Slice(places, axis.first, axis.first + axis.number, [0])
    return op.Cast(op.Floor(places), to=INT64)


def build_resize(
    op: OpBuilder, images: Value, rows: Axis, columns: Axis, backend: str, interpolation: str
) -> Value:
    """The wanted part of resized images, uint8 (N, H, W, C) to whole grey levels (N, C, h, w).

    Args:
        op: Makes nodes.
        images: The images.
        rows: Of the result.
        columns: Of the result.
        backend: One of :data:`RESIZERS`.
        interpolation: One of its names there.
    """
    if interpolation == 'nearest':
        for number, axis in ((1, rows), (2, columns)):
            images = op.Gather(images, find_nearest(op, axis, backend), axis=number)
        return to_planes(op, images)
    if backend == 'cv2':
        return resize_by_opencv(op, images, rows, columns)
    return resize_by_pillow(op, images, rows, columns, interpolation)


# What can be done to the last grey level. OpenCV's other filters depend on the machine.
RESIZERS = {'pillow': ('nearest', *FILTERS), 'cv2': ('nearest', 'bilinear')}
