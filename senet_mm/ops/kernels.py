"""The passes of the fused tail in Triton; functions and arguments as in :mod:`.plain`.

A program owns a tile of channels and positions of one sample. The two memory layouts differ in the
strides of channel and position alone, one of which is 1; Triton specialises on that and takes 16
bytes at a time along it. Sums and factors are float32. A sum is kept for each value of a tile, and
the sums of a channel are added at the end: within the loop the threads need not wait for each
other. :mod:`.tiles` has the tile sizes.

Names in the kernels; :mod:`.fused` explains those of the tensors::

    N, C, P      samples, channels, positions (H * W)
    n, c, p      sample of the program; channels and positions of its tile
    sc, sp       strides of channel and position: (P, 1) or, channels last, (1, C)
    sa, sb, s3   strides of a sample in scale, offset, constant: C, or 0 if all samples share them
    BC, BP       channels and positions of a tile
    STAGES       tiles of a loop that are loaded at once
    at, mask     offsets of the tile's values from the start of a tensor, which of them exist
    x            z, or z - mean, of the tile in float32
    mu, a, b     mean, scale, offset of the tile's channels
    d            gradient of the tile in float32
    k1, k2, k3   scale, factor, constant of dz = k1 * g + k2 * (z - mean) + k3
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from .plain import is_channels_last
from .tiles import SUMS, tile_for

# Offsets within a sample have 32 bits.
LARGEST_SAMPLE = 2**31 - 1
# Least channels of a tile in the channels-last layout: 32 bytes in 16 bits, a sector of a line.
SECTOR = 16


def supports(z: Tensor) -> bool:
    """Whether the kernels take maps (N, C, H, W) of this type and size."""
    return (
        z.dtype in (torch.float32, torch.bfloat16, torch.float16)
        and math.prod(z.shape[1:]) <= LARGEST_SAMPLE
    )


@triton.jit
def _sample_and_channels(program, C, BC: tl.constexpr):
    """Sample and channels (BC,) of a program; neighbours in the grid have neighbouring channels.

    The grid has one axis, because the other two end at 65535 programs.
    """
    tiles = tl.cdiv(C, BC)
    n = (program // tiles).to(tl.int64)  # n * C * P may exceed 32 bits
    return n, (program % tiles) * BC + tl.arange(0, BC)


@triton.jit
def _sample_channels_start(C, P, BC: tl.constexpr, BP: tl.constexpr):
    """Sample, channels (BC,) and first position of a program that has a single tile."""
    programs = tl.cdiv(C, BC) * tl.cdiv(P, BP)
    n = tl.program_id(0) // programs
    within = tl.program_id(0) % programs
    start = within // tl.cdiv(C, BC) * BP
    return n.to(tl.int64), (within % tl.cdiv(C, BC)) * BC + tl.arange(0, BC), start


@triton.jit
def _offsets(c, C, P, sc, sp, start, BP: tl.constexpr):
    """Offsets and mask (BC, BP) of a tile in its sample."""
    p = start + tl.arange(0, BP)
    mask = (c < C)[:, None] & (p < P)[None, :]
    return c[:, None] * sc + p[None, :] * sp, mask


@triton.jit
def _moments(
    z, mean, var, C, P, sc, sp, BC: tl.constexpr, BP: tl.constexpr, STAGES: tl.constexpr
):  # fmt: skip
    """``mean = sum(z) / P`` and ``var = sum((z - mean)^2) / P`` over positions, (N, C).

    ``mu`` and ``m2`` are the mean and the sum of squared deviations of the positions that a place
    of the tile has seen, by Welford's formula; Chan's formula puts them together.
    """
    n, c = _sample_and_channels(tl.program_id(0), C, BC)
    z += n * C * P
    mu = tl.zeros([BC, BP], tl.float32)
    m2 = tl.zeros([BC, BP], tl.float32)
    for start in tl.range(0, P, BP, num_stages=STAGES):
        at, mask = _offsets(c, C, P, sc, sp, start, BP)
        x = tl.load(z + at, mask=mask, other=0).to(tl.float32)
        # Positions beyond the map were loaded as 0, which is no deviation of 0.
        delta = tl.where(mask, x - mu, 0.0)
        mu += delta * (1.0 / (start // BP + 1))
        m2 += delta * (x - mu)
    seen = ((P - tl.arange(0, BP) + BP - 1) // BP).to(tl.float32)[None, :]
    total = tl.sum(seen * mu, 1) / P
    around = mu - total[:, None]
    tl.store(mean + n * C + c, total, mask=c < C)
    tl.store(var + n * C + c, tl.sum(m2 + seen * around * around, 1) / P, mask=c < C)


@triton.jit(do_not_specialize=['sa', 'sb'])
def _affine_relu(
    z, r, out, mean, scale, offset, sa, sb, C, P, sc, sp,
    HAS_R: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """``out = relu(scale * (z - mean) + offset + r)``; ``r``, the shortcut, if ``HAS_R``."""
    n, c, start = _sample_channels_start(C, P, BC, BP)
    at, mask = _offsets(c, C, P, sc, sp, start, BP)
    z += n * C * P
    out += n * C * P
    mu = tl.load(mean + c, mask=c < C)
    a = tl.load(scale + n * sa + c, mask=c < C)
    b = tl.load(offset + n * sb + c, mask=c < C)
    x = tl.load(z + at, mask=mask).to(tl.float32)
    y = (x - mu[:, None]) * a[:, None] + b[:, None]
    if HAS_R:
        y += tl.load(r + n * C * P + at, mask=mask).to(tl.float32)
    tl.store(out + at, tl.maximum(y, 0.0).to(out.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=['sa', 'sb'])
def _grad_sums(
    grad, out, g, z, t0, t1, mean, scale, offset, sa, sb, C, P, sc, sp,
    HAS_OUT: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """``g = grad * [out > 0]``, ``t0 = sum(g)``, ``t1 = sum(g * (z - mean))`` over positions.

    Without ``HAS_OUT`` the output is ``scale * (z - mean) + offset``, computed again, and g is not
    written: the next pass computes the sign as cheaply.
    """
    n, c = _sample_and_channels(tl.program_id(0), C, BC)
    grad += n * C * P
    z += n * C * P
    mu = tl.load(mean + c, mask=c < C)
    if HAS_OUT:
        out += n * C * P
        g += n * C * P
    else:
        a = tl.load(scale + n * sa + c, mask=c < C)
        b = tl.load(offset + n * sb + c, mask=c < C)
    s0 = tl.zeros([BC, BP], tl.float32)
    s1 = tl.zeros([BC, BP], tl.float32)
    for start in tl.range(0, P, BP, num_stages=STAGES):
        at, mask = _offsets(c, C, P, sc, sp, start, BP)
        d = tl.load(grad + at, mask=mask, other=0).to(tl.float32)
        x = tl.load(z + at, mask=mask, other=0).to(tl.float32) - mu[:, None]
        if HAS_OUT:
            y = tl.load(out + at, mask=mask, other=0).to(tl.float32)
        else:
            y = x * a[:, None] + b[:, None]
        d = tl.where(mask & (y > 0), d, 0.0)
        if HAS_OUT:
            tl.store(g + at, d.to(g.dtype.element_ty), mask=mask)
        s0 += d
        s1 += d * x
    tl.store(t0 + n * C + c, tl.sum(s0, 1), mask=c < C)
    tl.store(t1 + n * C + c, tl.sum(s1, 1), mask=c < C)


@triton.jit(do_not_specialize=['sa', 'sb', 's3'])
def _input_grad(
    g, z, dz, mean, scale, offset, factor, constant, sa, sb, s3, C, P, sc, sp,
    RECTIFIES: tl.constexpr, READS_Z: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """``dz = scale * g + factor * (z - mean) + constant``.

    With ``RECTIFIES``, g counts only where ``scale * (z - mean) + offset > 0``. Without ``READS_Z``
    the factor is 0, and z is not read.
    """
    n, c, start = _sample_channels_start(C, P, BC, BP)
    at, mask = _offsets(c, C, P, sc, sp, start, BP)
    k1 = tl.load(scale + n * sa + c, mask=c < C)
    k3 = tl.load(constant + n * s3 + c, mask=c < C)
    d = tl.load(g + n * C * P + at, mask=mask).to(tl.float32)
    if READS_Z:
        mu = tl.load(mean + c, mask=c < C)
        k2 = tl.load(factor + c, mask=c < C)
        x = tl.load(z + n * C * P + at, mask=mask).to(tl.float32) - mu[:, None]
        if RECTIFIES:
            b = tl.load(offset + n * sb + c, mask=c < C)
            d = tl.where(x * k1[:, None] + b[:, None] > 0, d, 0.0)
        d = k1[:, None] * d + k2[:, None] * x + k3[:, None]
    else:
        d = k1[:, None] * d + k3[:, None]
    tl.store(dz + n * C * P + at, d.to(dz.dtype.element_ty), mask=mask)


def _launch(name: str, z: Tensor, *maps: Tensor) -> tuple[tuple[int], tuple[int, ...], dict]:
    """Grid, ``C, P, sc, sp``, and ``BC, BP`` with the options of a pass over maps (N, C, H, W)."""
    n, c, p = z.shape[0], z.shape[1], z.shape[2] * z.shape[3]
    last = is_channels_last(z)
    layout = torch.channels_last if last else torch.contiguous_format
    assert all(m.shape == z.shape and m.is_contiguous(memory_format=layout) for m in (z, *maps))
    tile = tile_for(name, last, z.device)
    near, far = (c, p) if last else (p, c)
    near = min(triton.next_power_of_2(near), tile.neighbours)
    far = min(triton.next_power_of_2(far), tile.values // near)
    channels, positions = (near, far) if last else (far, near)
    options = dict(num_warps=tile.warps)
    if name in SUMS:
        options |= dict(STAGES=tile.stages)
        least = SECTOR if last else 1
        while channels > least and n * triton.cdiv(c, channels) < tile.programs:
            channels //= 2
            positions = min(triton.next_power_of_2(p), tile.values // channels)
        programs = n * triton.cdiv(c, channels)
    else:
        programs = n * triton.cdiv(c, channels) * triton.cdiv(p, positions)
    sizes = (c, p, 1, c) if last else (c, p, p, 1)
    return (programs,), sizes, dict(BC=channels, BP=positions, **options)


def _by_row(z: Tensor, values: Tensor) -> tuple[Tensor, int]:
    """Values (N, C) or (C,) as a kernel reads them: in float32, and the stride of a sample."""
    rows = values.to(torch.float32).expand(z.shape[:2])
    rows = rows if rows.stride(1) == 1 else rows.contiguous()
    return rows, rows.stride(0)


def moments(z: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over positions, float32 (N, C), of z (N, C, H, W)."""
    grid, sizes, options = _launch('moments', z)
    mean, var = z.new_empty(2, *z.shape[:2], dtype=torch.float32)
    _moments[grid](z, mean, var, *sizes, **options)
    return mean, var


def affine_relu(
    z: Tensor, mean: Tensor, scale: Tensor, offset: Tensor, shortcut: Tensor | None
) -> Tensor:
    """``relu(scale * (z - mean) + offset + shortcut)``, (N, C, H, W) like z."""
    # A kernel takes no None for a tensor: another one, which it does not read, stands in.
    r = z if shortcut is None else shortcut
    grid, sizes, options = _launch('affine_relu', z, r)
    out = torch.empty_like(z)
    (scale, sa), (offset, sb) = _by_row(z, scale), _by_row(z, offset)
    _affine_relu[grid](
        z, r, out, mean.float(), scale, offset, sa, sb, *sizes,
        HAS_R=shortcut is not None, **options,
    )  # fmt: skip
    return out


def grad_sums(grad: Tensor, out: Tensor, z: Tensor, mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``g = grad * [out > 0]`` (N, C, H, W), and ``t0``, ``t1``, float32 (N, C)."""
    grid, sizes, options = _launch('grad_sums', z, grad, out)
    g = torch.empty_like(z)
    t0, t1 = z.new_empty(2, *z.shape[:2], dtype=torch.float32)
    mean = mean.float()  # stands in for scale and offset, which are not read
    _grad_sums[grid](
        grad, out, g, z, t0, t1, mean, mean, mean, 0, 0, *sizes, HAS_OUT=True, **options
    )
    return g, t0, t1


def relu_grad_sums(
    grad: Tensor, z: Tensor, mean: Tensor, scale: Tensor, offset: Tensor
) -> tuple[Tensor, Tensor]:
    """``t0``, ``t1``, float32 (N, C), of :func:`grad_sums` with ``out`` computed from z.

    ``out = scale * (z - mean) + offset``; the maps are (N, C, H, W).
    """
    grid, sizes, options = _launch('relu_grad_sums', z, grad)
    t0, t1 = z.new_empty(2, *z.shape[:2], dtype=torch.float32)
    (scale, sa), (offset, sb) = _by_row(z, scale), _by_row(z, offset)
    # z stands in for out and g, which are neither read nor written.
    _grad_sums[grid](
        grad, z, z, z, t0, t1, mean.float(), scale, offset, sa, sb, *sizes,
        HAS_OUT=False, **options,
    )  # fmt: skip
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
    grid, sizes, options = _launch('input_grad', z, g)
    dz = torch.empty_like(z)
    reads_z = factor is not None or offset is not None
    factor = torch.zeros_like(mean) if factor is None else factor
    rows = (scale, scale if offset is None else offset, constant)
    values, strides = zip(*(_by_row(z, v) for v in rows), strict=True)
    _input_grad[grid](
        g, z, dz, mean.float(), *values[:2], factor.float(), values[2], *strides, *sizes,
        RECTIFIES=offset is not None, READS_Z=reads_z, **options,
    )  # fmt: skip
    return dz
