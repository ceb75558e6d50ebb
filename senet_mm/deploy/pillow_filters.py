"""The filters of Pillow in ONNX operators: from distances in pixels to weights, both double.

Source: ``Resample.c``.
"""

import math
from collections.abc import Callable

import numpy as np
from onnx_ir import DataType, Value
from onnxscript import OpBuilder

DOUBLE = DataType.DOUBLE


def box(op: OpBuilder, x: Value) -> Value:
    return op.Cast(op.And(op.Greater(x, -0.5), op.LessOrEqual(x, 0.5)), to=DOUBLE)


def triangle(op: OpBuilder, x: Value) -> Value:
    return op.Max(1.0 - op.Abs(x), op.CastLike(0.0, x))


def cubic(op: OpBuilder, x: Value, a: float = -0.5) -> Value:
    d = op.Abs(x)
    near = (d * (a + 2) - (a + 3)) * d * d + 1.0
    far = (((d - 5.0) * d + 8.0) * d - 4.0) * a
    return op.Where(op.Less(d, 1.0), near, op.Where(op.Less(d, 2.0), far, op.CastLike(0.0, x)))


def single(value: float) -> float:
    """A number that Pillow has in single precision."""
    return float(np.float32(value))


def sinc(op: OpBuilder, x: Value) -> Value:
    angle = x * math.pi
    return op.Where(op.Equal(x, 0.0), op.CastLike(1.0, x), op.Sin(angle) / angle)


def lanczos(op: OpBuilder, x: Value) -> Value:
    within = op.And(op.GreaterOrEqual(x, -3.0), op.Less(x, 3.0))
    return op.Where(within, sinc(op, x) * sinc(op, x / 3.0), op.CastLike(0.0, x))


def hamming(op: OpBuilder, x: Value) -> Value:
    window = op.Cos(x * math.pi) * single(0.46) + single(0.54)
    return op.Where(op.Less(op.Abs(x), 1.0), sinc(op, x) * window, op.CastLike(0.0, x))


# Each with its reach, in pixels.
FILTERS: dict[str, tuple[Callable[[OpBuilder, Value], Value], float]] = {
    'box': (box, 0.5),
    'bilinear': (triangle, 1.0),
    'hamming': (hamming, 1.0),
    'bicubic': (cubic, 2.0),
    'lanczos': (lanczos, 3.0),
}
