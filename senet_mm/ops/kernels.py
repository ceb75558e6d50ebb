"""The passes of the fused tail in Triton; functions and arguments as in :mod:`.plain`.

A program owns a tile of channels and positions of one sample. The two memory layouts differ in the
strides of channel and position alone, one of which is 1; Triton specialises on that and takes 16
bytes at a time along it. Sums and factors are float32. Tile sizes have not been tuned on a GPU.

Names in the kernels; :mod:`.fused` explains those of the tensors::

    N, C, P      samples, channels, positions (H * W)
    n, c, p      sample of the program; channels and positions of its tile
    sc, sp       strides of channel and position: (P, 1) or, channels last, (1, C)
    BC, BP       channels and positions of a tile
    at, mask     offsets of the tile's values from the start of a tensor, which of them exist
    x            z, or z - mean, of the tile in float32
    mu, a, b     mean, scale, offset of the tile's channels
    d            gradient of the tile in float32
    k1, k2, k3   scale, factor, constant of dz = k1 * g + k2 * (z - mean) + k3
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .plain import is_channels_last

# Values of a tile: 16 per thread of four warps.
TILE = 2048
# Channels of a tile in the channels-last layout: 128 bytes in 16-bit types, a whole cache line.
LAST_CHANNELS = 64


def supports(z: Tensor) -> bool:
    """Whether the kernels take maps (N, C, H, W) of this type."""
    return z.dtype in (torch.float32, torch.bfloat16, torch.float16)


@triton.jit
def _offsets(C, P, sc, sp, start, BC: tl.constexpr, BP: tl.constexpr):
    """Channels (BC,) of this program; offsets and mask (BC, BP) of its tile in a sample."""
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    p = start + tl.arange(0, BP)
    mask = (c < C)[:, None] & (p < P)[None, :]
    return c, c[:, None] * sc + p[None, :] * sp, mask


@triton.jit
def _moments(z, mean, var, C, P, sc, sp, BC: tl.constexpr, BP: tl.constexpr):
    """``mean = sum(z) / P`` and ``var = sum((z - mean)^2) / P`` over positions, (N, C).

    Tile by tile with Chan's formula: ``mu`` and ``m2`` are the mean and the sum of squared
    deviations of the ``seen`` positions, to which those of ``new`` ones are added.
    """
    n = tl.program_id(0).to(tl.int64)  # n * C * P may exceed 32 bits
    z += n * C * P
    mu = tl.zeros([BC], tl.float32)
    m2 = tl.zeros([BC], tl.float32)
    for start in range(0, P, BP):
        _, at, mask = _offsets(C, P, sc, sp, start, BC, BP)
        x = tl.load(z + at, mask=mask, other=0).to(tl.float32)
        seen = start * 1.0
        new = tl.minimum(P - start, BP) * 1.0
        mean_new = tl.sum(x, 1) / new
        # Positions beyond the map were loaded as 0, which is no deviation of 0.
        around = tl.where(mask, x - mean_new[:, None], 0.0)
        delta = mean_new - mu
        m2 += tl.sum(around * around, 1) + delta * delta * (seen * new / (seen + new))
        mu += delta * (new / (seen + new))
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    tl.store(mean + n * C + c, mu, mask=c < C)
    tl.store(var + n * C + c, m2 / P, mask=c < C)


@triton.jit
def _affine_relu(
    z, r, out, mean, scale, offset, C, P, sc, sp,
    HAS_R: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """``out = relu(scale * (z - mean) + offset + r)``; ``r``, the shortcut, if ``HAS_R``."""
    n = tl.program_id(0).to(tl.int64)
    c, at, mask = _offsets(C, P, sc, sp, tl.program_id(2) * BP, BC, BP)
    at += n * C * P
    mu = tl.load(mean + c, mask=c < C)
    a = tl.load(scale + n * C + c, mask=c < C)
    b = tl.load(offset + n * C + c, mask=c < C)
    x = tl.load(z + at, mask=mask).to(tl.float32)
    y = (x - mu[:, None]) * a[:, None] + b[:, None]
    if HAS_R:
        y += tl.load(r + at, mask=mask).to(tl.float32)
    tl.store(out + at, tl.maximum(y, 0.0).to(out.dtype.element_ty), mask=mask)


@triton.jit
def _grad_sums(
    grad, out, g, z, t0, t1, mean, scale, offset, C, P, sc, sp,
    HAS_OUT: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """``g = grad * [out > 0]``, ``t0 = sum(g)``, ``t1 = sum(g * (z - mean))`` over positions.

    Without ``HAS_OUT`` the output is ``scale * (z - mean) + offset``, computed again, and g is not
    written: the next pass computes the sign as cheaply.
    """
    n = tl.program_id(0).to(tl.int64)
    grad += n * C * P
    z += n * C * P
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    mu = tl.load(mean + c, mask=c < C)
    if HAS_OUT:
        out += n * C * P
        g += n * C * P
    else:
        a = tl.load(scale + n * C + c, mask=c < C)
        b = tl.load(offset + n * C + c, mask=c < C)
    s0 = tl.zeros([BC], tl.float32)
    s1 = tl.zeros([BC], tl.float32)
    for start in range(0, P, BP):
        _, at, mask = _offsets(C, P, sc, sp, start, BC, BP)
        d = tl.load(grad + at, mask=mask, other=0).to(tl.float32)
        x = tl.load(z + at, mask=mask, other=0).to(tl.float32) - mu[:, None]
        if HAS_OUT:
            y = tl.load(out + at, mask=mask, other=0).to(tl.float32)
        else:
            y = x * a[:, None] + b[:, None]
        d = tl.where(mask & (y > 0), d, 0.0)
        if HAS_OUT:
            tl.store(g + at, d.to(g.dtype.element_ty), mask=mask)
        s0 += tl.sum(d, 1)
        s1 += tl.sum(d * x, 1)
    tl.store(t0 + n * C + c, s0, mask=c < C)
    tl.store(t1 + n * C + c, s1, mask=c < C)


@triton.jit
def _input_grad(
    g, z, dz, mean, scale, offset, factor, constant, C, P, sc, sp,
    RECTIFIES: tl.constexpr, READS_Z: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """``dz = scale * g + factor * (z - mean) + constant``.

    With ``RECTIFIES``, g counts only where ``scale * (z - mean) + offset > 0``. Without ``READS_Z``
    the factor is 0, and z is not read.
    """
    n = tl.program_id(0).to(tl.int64)
    c, at, mask = _offsets(C, P, sc, sp, tl.program_id(2) * BP, BC, BP)
    at += n * C * P
    k1 = tl.load(scale + n * C + c, mask=c < C)
    k3 = tl.load(constant + n * C + c, mask=c < C)
    d = tl.load(g + at, mask=mask).to(tl.float32)
    if READS_Z:
        mu = tl.load(mean + c, mask=c < C)
        k2 = tl.load(factor + c, mask=c < C)
        x = tl.load(z + at, mask=mask).to(tl.float32) - mu[:, None]
        if RECTIFIES:
            b = tl.load(offset + n * C + c, mask=c < C)
            d = tl.where(x * k1[:, None] + b[:, None] > 0, d, 0.0)
        d = k1[:, None] * d + k2[:, None] * x + k3[:, None]
    else:
        d = k1[:, None] * d + k3[:, None]
    tl.store(dz + at, d.to(dz.dtype.element_ty), mask=mask)


def _layout(z: Tensor) -> tuple[tuple, dict]:
    """``C, P, sc, sp`` of a map (N, C, H, W), and its tile ``BC, BP``."""
    c, p = z.shape[1], z.shape[2] * z.shape[3]
    if is_channels_last(z):
        channels = min(triton.next_power_of_2(c), LAST_CHANNELS)
        positions = min(triton.next_power_of_2(p), TILE // channels)
        return (c, p, 1, c), dict(BC=channels, BP=positions)
    positions = min(triton.next_power_of_2(p), TILE // 4)
    channels = min(triton.next_power_of_2(c), TILE // positions)
    return (c, p, p, 1), dict(BC=channels, BP=positions)


def _grid(z: Tensor, tile: dict, splits_positions: bool) -> tuple[int, int, int]:
    """One program per sample and tile of channels, and per tile of positions if they are split.

    A kernel that sums over positions goes through all of them in one program.
    """
    c, p = z.shape[1], z.shape[2] * z.shape[3]
    positions = triton.cdiv(p, tile['BP']) if splits_positions else 1
    return len(z), triton.cdiv(c, tile['BC']), positions


def _by_row(z: Tensor, values: Tensor) -> Tensor:
    """Values (N, C) or (C,) as float32 (N, C), as a kernel reads them."""
    return values.to(torch.float32).expand(z.shape[:2]).contiguous()


def moments(z: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over positions, float32 (N, C), of z (N, C, H, W)."""
    sizes, tile = _layout(z)
    mean, var = z.new_empty(2, *z.shape[:2], dtype=torch.float32)
    _moments[_grid(z, tile, False)](z, mean, var, *sizes, **tile)
    return mean, var


def affine_relu(
    z: Tensor, mean: Tensor, scale: Tensor, offset: Tensor, shortcut: Tensor | None
) -> Tensor:
    """``relu(scale * (z - mean) + offset + shortcut)``, (N, C, H, W) like z."""
    sizes, tile = _layout(z)
    out = torch.empty_like(z)
    values = mean.float(), _by_row(z, scale), _by_row(z, offset)
    # A kernel takes no None for a tensor: another one, which it does not read, stands in.
    _affine_relu[_grid(z, tile, True)](
        z, z if shortcut is None else shortcut, out, *values, *sizes,
        HAS_R=shortcut is not None, **tile,
    )  # fmt: skip
    return out


def grad_sums(grad: Tensor, out: Tensor, z: Tensor, mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``g = grad * [out > 0]`` (N, C, H, W), and ``t0``, ``t1``, float32 (N, C)."""
    sizes, tile = _layout(z)
    g = torch.empty_like(z)
    t0, t1 = z.new_empty(2, *z.shape[:2], dtype=torch.float32)
    mean = mean.float()  # stands in for scale and offset, which are not read
    _grad_sums[_grid(z, tile, False)](
        grad, out, g, z, t0, t1, mean, mean, mean, *sizes, HAS_OUT=True, **tile
    )
    return g, t0, t1


def relu_grad_sums(
    grad: Tensor, z: Tensor, mean: Tensor, scale: Tensor, offset: Tensor
) -> tuple[Tensor, Tensor]:
    """``t0``, ``t1``, float32 (N, C), of :func:`grad_sums` with ``out`` computed from z.

    ``out = scale * (z - mean) + offset``; the maps are (N, C, H, W).
    """
    sizes, tile = _layout(z)
    t0, t1 = z.new_empty(2, *z.shape[:2], dtype=torch.float32)
    values = mean.float(), _by_row(z, scale), _by_row(z, offset)
    # z stands in for out and g, which are neither read nor written.
    _grad_sums[_grid(z, tile, False)](grad, z, z, z, t0, t1, *values, *sizes, HAS_OUT=False, **tile)
    return t0, t1


def input_grad(
    g: Tensor,
    z: Tensor,
    mean: Tensor,
    scale: Tensor,
    factor: Tensor | None,
    constant: Tensor,
    offset: Tensor | None = None,
) -> Tensor:
    """``scale * g + factor * (z - mean) + constant``, (N, C, H, W); see :mod:`.plain`."""
    sizes, tile = _layout(z)
    dz = torch.empty_like(z)
    reads_z = factor is not None or offset is not None
    factor = torch.zeros_like(mean) if factor is None else factor
    values = (
        mean.float(),
        _by_row(z, scale),
        _by_row(z, scale if offset is None else offset),
        factor.float(),
        _by_row(z, constant),
    )
    _input_grad[_grid(z, tile, True)](
        g, z, dz, *values, *sizes, RECTIFIES=offset is not None, READS_Z=reads_z, **tile
    )
    return dz
