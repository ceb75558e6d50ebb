"""The passes of the fused tail in PyTorch, for devices without Triton.

PyTorch has no kernel that scales a 16-bit map by float32 factors per sample and channel. Batch norm
does, if (N, C, H, W) is viewed as one image of N * C channels. The maps are processed in parts that
fit the cache, so that several kernels on one part cost one pass over memory.

Names as in :mod:`.fused`. Arguments: maps (N, C, H, W) of one memory layout; ``mean`` (C,); factors
and constants (N, C) or (C,). Sums are returned as (N, C), in the precision of
:func:`.norms.accumulation_dtype`. A row is one sample and channel of N * C; a part is some rows of
one map, (1, rows, H, W).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from .norms import accumulation_dtype

# Bytes of one map in a part; about four maps are in use, a core has 1 to 2 MiB of its own.
PART = 2**19

aten = torch.ops.aten


def is_channels_last(z: Tensor) -> bool:
    """Whether the channels of a pixel of (N, C, H, W) are neighbours in memory."""
    return not z.is_contiguous() and z.is_contiguous(memory_format=torch.channels_last)


def same_layout(x: Tensor, like: Tensor | None = None) -> Tensor:
    """A map (N, C, H, W) in the memory layout of ``like``; alone, in the one it is nearer to."""
    last = is_channels_last(x if like is None else like)
    return x.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def parts(*maps: Tensor) -> Iterator[tuple[slice, list[Tensor]]]:
    """Parts (1, rows, H, W) of maps (N, C, H, W), with the place of their rows in N * C.

    Channels last, a part is one image: the rows of two do not lie in one stride.
    """
    n, c, h, w = maps[0].shape
    size = c * h * w * maps[0].element_size()
    step = 1 if is_channels_last(maps[0]) else max(1, PART // size)
    for i in range(0, n, step):
        rows = slice(i * c, min(i + step, n) * c)
        if step == 1:
            yield rows, [m[i : i + 1] for m in maps]
        else:
            yield rows, [m[i : i + step].view(1, -1, h, w) for m in maps]


def rows_of(z: Tensor, *values: Tensor) -> list[Tensor]:
    """Values (N, C) or (C,) for the rows of z (N, C, H, W), (N * C,)."""
    dtype = accumulation_dtype(z.dtype)
    return [v.expand(z.shape[:2]).reshape(-1).to(dtype) for v in values]


def affine(x: Tensor, mean: Tensor, scale: Tensor, offset: Tensor, ones: Tensor) -> Tensor:
    """``scale * (x - mean) + offset`` of a part (1, rows, H, W); the values are (rows,).

    Batch norm in evaluation with variance ``ones`` and eps 0.
    """
    return torch.batch_norm(x, scale, offset, mean, ones, False, 0.0, 0.0, False)


def sums(g: Tensor, z: Tensor, mean: Tensor, ones: Tensor) -> tuple[Tensor, Tensor]:
    """``t0`` and ``t1`` (rows,) of parts g and z (1, rows, H, W).

    They are the gradients of offset and gain of a batch norm with 1 / standard deviation ``ones``.
    """
    _, t1, t0 = aten.native_batch_norm_backward(
        g, z, ones, None, None, mean, ones, True, 0.0, [False, True, True]
    )
    return t0, t1


def moments(z: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over positions, (N, C), of z (N, C, H, W)."""
    mean, var = z.new_empty(2, z.shape[0] * z.shape[1], dtype=accumulation_dtype(z.dtype))
    for rows, [x] in parts(z):
        # Pass float32 running statistics, or the results come back in the map's precision.
        memory = torch.zeros_like(mean[rows]), torch.zeros_like(mean[rows])
        mean[rows], var[rows] = aten.batch_norm_update_stats(x, *memory, 1.0)
    return mean.view(z.shape[:2]), var.view(z.shape[:2])


def affine_relu(
    z: Tensor, mean: Tensor, scale: Tensor, offset: Tensor, shortcut: Tensor | None
) -> Tensor:
    """``relu(scale * (z - mean) + offset + shortcut)``, (N, C, H, W) like z."""
    mean, scale, offset = rows_of(z, mean, scale, offset)
    ones, out = torch.ones_like(mean), torch.empty_like(z)
    maps = (z, out) if shortcut is None else (z, out, shortcut)
    for rows, [x, o, *r] in parts(*maps):
        y = affine(x, mean[rows], scale[rows], offset[rows], ones[rows])
        if r:
            torch.add(y, r[0], out=o).relu_()
        else:
            torch.clamp_min(y, 0, out=o)
    return out


def grad_sums(grad: Tensor, out: Tensor, z: Tensor, mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``g = grad * [out > 0]`` (N, C, H, W), and ``t0``, ``t1`` (N, C), see :mod:`.fused`."""
    [mean] = rows_of(z, mean)
    ones, g = torch.ones_like(mean), torch.empty_like(z)
    t0, t1 = torch.empty_like(mean), torch.empty_like(mean)
    for rows, [d, o, x, masked] in parts(grad, out, z, g):
        aten.threshold_backward.grad_input(d, o, 0, grad_input=masked)
        t0[rows], t1[rows] = sums(masked, x, mean[rows], ones[rows])
    return g, t0.view(z.shape[:2]), t1.view(z.shape[:2])


def rectified(
    grad: Tensor, x: Tensor, mean: Tensor, scale: Tensor, offset: Tensor, ones: Tensor
) -> Tensor:
    """``grad * [scale * (x - mean) + offset > 0]`` of a part (1, rows, H, W)."""
    return aten.threshold_backward(grad, affine(x, mean, scale, offset, ones), 0)


def relu_grad_sums(
    grad: Tensor, z: Tensor, mean: Tensor, scale: Tensor, offset: Tensor
) -> tuple[Tensor, Tensor]:
    """``t0``, ``t1`` (N, C) of :func:`grad_sums` with ``out`` computed from z (N, C, H, W).

    ``out = scale * (z - mean) + offset``.
    """
    mean, scale, offset = rows_of(z, mean, scale, offset)
    ones, t0, t1 = torch.ones_like(mean), torch.empty_like(mean), torch.empty_like(mean)
    for rows, [d, x] in parts(grad, z):
        g = rectified(d, x, mean[rows], scale[rows], offset[rows], ones[rows])
        t0[rows], t1[rows] = sums(g, x, mean[rows], ones[rows])
    return t0.view(z.shape[:2]), t1.view(z.shape[:2])


def input_grad(
    g: Tensor,
    z: Tensor,
    mean: Tensor,
    scale: Tensor,
    factor: Tensor | None,
    constant: Tensor,
    offset: Tensor | None = None,
) -> Tensor:
    """``dz = scale * g + factor * (z - mean) + constant``, (N, C, H, W) like z.

    Args:
        g: Gradient behind the ReLU, or before it with ``offset``, (N, C, H, W).
        z: Input of the norm, (N, C, H, W).
        mean: Mean of the norm, (C,).
        scale: ``gamma * rstd``, times the gate in a tail, (N, C) or (C,).
        factor: See :mod:`.fused`, (C,); None is 0.
        constant: See :mod:`.fused`, (N, C) or (C,).
        offset: Of the norm, (C,): multiply g by ``[scale * (z - mean) + offset > 0]`` first. None
            leaves g as it is.
    """
    dz = torch.empty_like(z)
    mean, scale, constant = rows_of(z, mean, scale, constant)
    ones, zeros = torch.ones_like(mean), torch.zeros_like(mean)
    factor, offset = (None if v is None else rows_of(z, v)[0] for v in (factor, offset))
    for rows, [d, x, out] in parts(g, z, dz):
        if offset is not None:
            d = rectified(d, x, mean[rows], scale[rows], offset[rows], ones[rows])
        direct = affine(d, zeros[rows], scale[rows], constant[rows], ones[rows])
        if factor is None:
            out.copy_(direct)
        else:
            through = affine(x, mean[rows], factor[rows], zeros[rows], ones[rows])
            torch.add(direct, through, out=out)
    return dz
