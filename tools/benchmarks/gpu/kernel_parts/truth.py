"""The passes in float64, and how far a kernel's result may be from them.

A bound follows from the operations of a kernel. ``E`` is the rounding of a float32 operation,
relative; a sum of terms of which each goes through ``d`` additions is wrong by at most ``d * E``
times the sum of their magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, section
4.2). A result is rounded once more to the precision of the map.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from senet_mm.ops import kernels
from senet_mm.ops.fused import kernels_are_interpreted

from .cases import VARIANTS, Case

E = 2.0**-24
# Values of a map that are compared at once, 1 GiB in float64.
AT_ONCE = 2**27
# A result and its bound, tensors of one shape in float64.
Bounded = tuple[Tensor, Tensor]


def _columns(*values: Tensor) -> list[Tensor]:
    """Values (C,) or (N, C), to broadcast over a map."""
    return [v[..., None, None] for v in values]


def _rounded(value: Tensor, magnitude: Tensor, operations: int, dtype: torch.dtype) -> Bounded:
    """A value of a map: some operations in float32, then rounding to the map's precision.

    Args:
        value: The exact value.
        magnitude: Sum of the magnitudes of its terms.
        operations: Roundings that a term goes through.
        dtype: Precision of the map.
    """
    info = torch.finfo(dtype)
    # The interpreter cuts bfloat16 off.
    half = 1 if kernels_are_interpreted() and dtype == torch.bfloat16 else 0.5
    inner = operations * E * magnitude
    return value, inner + half * info.eps * (value.abs() + inner) + info.tiny * info.eps


def _depth(function: str, case: Case) -> int:
    """Additions that a value goes through in a sum over positions, two roundings each."""
    tile = kernels._launch(function, case.z)[2]['BP']
    positions = case.z[0, 0].numel()
    return 2 * (math.ceil(positions / tile) + int(math.log2(tile)) + 2)


def moments(exact: Case, dtype: torch.dtype, depth: int, args: Case) -> list[Bounded]:
    """Mean and variance; Welford's formula, see Chan, Golub, LeVeque, 1983, table 1."""
    z = exact.z
    mean = z.mean((2, 3))
    var = (z - mean[..., None, None]).square().mean((2, 3))
    error = depth * E
    return [
        (mean, error * z.abs().mean((2, 3))),
        (var, error * (var + mean.abs() * var.sqrt()) + (error * mean).square()),
    ]


def affine_relu(exact: Case, dtype: torch.dtype, depth: int, args: Case) -> list[Bounded]:
    mean, scale, offset = _columns(args.mean, args.scale, args.offset)
    x = exact.z - mean
    r = 0 if args.r is None else args.r
    magnitude = (x * scale).abs() + offset.abs() + abs(r)
    return [_rounded((x * scale + offset + r).relu(), magnitude, 4, dtype)]


def _sums(g: Tensor, x: Tensor, unsure: Tensor, depth: int) -> list[Bounded]:
    """``t0`` and ``t1``; the gradient may count or not where the sign is unsure."""
    return [
        (t.sum((2, 3)), depth * E * t.abs().sum((2, 3)) + (unsure * factor).abs().sum((2, 3)))
        for t, factor in ((g, torch.ones_like(x)), (g * x, x))
    ]


def grad_sums(exact: Case, dtype: torch.dtype, depth: int, args: Case) -> list[Bounded]:
    [mean] = _columns(args.mean)
    g = exact.grad * (exact.out > 0)
    return [(g, torch.zeros_like(g)), *_sums(g, exact.z - mean, torch.zeros_like(g), depth)]


def _rectified(exact: Case, args: Case) -> tuple[Tensor, Tensor, Tensor]:
    """``z - mean``, the gradient where ``scale * (z - mean) + offset > 0``, and where unsure."""
    mean, scale, offset = _columns(args.mean, args.scale, args.offset)
    x = exact.z - mean
    y = x * scale + offset
    unsure = y.abs() <= 4 * E * ((x * scale).abs() + offset.abs())
    return x, exact.grad * (y > 0), exact.grad * unsure


def relu_grad_sums(exact: Case, dtype: torch.dtype, depth: int, args: Case) -> list[Bounded]:
    x, g, unsure = _rectified(exact, args)
    return _sums(g, x, unsure, depth)


def input_grad(exact: Case, dtype: torch.dtype, depth: int, args: Case) -> list[Bounded]:
    x, g, unsure = _rectified(exact, args)
    if args.beta is None:
        g, unsure = exact.grad, torch.zeros_like(g)
    scale, constant = _columns(args.scale, args.constant)
    through = 0 if args.factor is None else _columns(args.factor)[0] * x
    magnitude = (scale * g).abs() + abs(through) + constant.abs()
    value, bound = _rounded(scale * g + through + constant, magnitude, 5, dtype)
    return [(value, bound + (scale * unsure).abs())]


TRUTHS: dict[str, Callable[[Case, torch.dtype, int, Case], list[Bounded]]] = {
    function.__name__: function
    for function in (moments, affine_relu, grad_sums, relu_grad_sums, input_grad)
}


def _given(name: str, exact: Case) -> Case:
    """The arguments of a variant under the names of the formulas; None where it has none."""
    variant = VARIANTS[name]
    given = set(variant.arguments)
    return exact._replace(
        scale=exact.gain if 'gain' in given else exact.scale,
        offset=exact.beta if 'beta' in given else exact.offset,
        r=exact.r if 'r' in given else None,
        factor=exact.factor if 'factor' in given else None,
        beta=exact.beta if 'beta' in given else None,
    )


def worst(name: str, case: Case, rows: Tensor | None = None) -> float:
    """Largest error of a variant on a case as a part of its bound; above 1 it is wrong.

    Args:
        name: Key of :data:`.VARIANTS`.
        case: Its arguments.
        rows: Samples to compare; all by default.
    """
    function = VARIANTS[name].function
    results = VARIANTS[name](case)
    if rows is None:
        rows = torch.arange(len(case.z), device=case.z.device)
    found = 0.0
    for some in rows.split(max(1, AT_ONCE // case.z[0].numel())):
        exact = case.samples(some)
        given = _given(name, exact)
        truths = TRUTHS[function](exact, case.z.dtype, _depth(function, case), given)
        for result, truth in zip(results, truths, strict=True):
            found = max(found, _part(result[some].double(), *truth))
    return found


def _part(result: Tensor, value: Tensor, bound: Tensor) -> float:
    """Largest error of a result as a part of its bound; NaN counts as infinite."""
    error = (result - value).abs()
    part = torch.where(error == 0, 0.0, error / bound)
    return torch.nan_to_num(part, nan=math.inf, posinf=math.inf).max().item()
