"""The tail of an SE block as few sums and one affine map, for a compiler.

Ordinary code averages the normalised map, which costs a compiler one or two more passes over it.
But the mean of an affine map is the affine map of the mean. One pass gives mean and variance of
every sample and channel; from them follows the gate, before the map is normalised.
"""

from typing import TYPE_CHECKING, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from senet_mm.utils.autograd import Context

from .norms import (
    Statistics,
    accumulation_dtype,
    affine_of,
    group_of,
    remember,
    remembered,
    uses_batch,
)

if TYPE_CHECKING:
    from senet_mm.models.layers import RecalibrationLayer


def algebra_tail(z: Tensor, shortcut: Tensor, norm: nn.Module, se: nn.Module | None) -> Tensor:
    """``relu(norm(z) * gate + shortcut)``, (N, C, H, W).

    Arguments as in :func:`senet_mm.ops.se_tail`, names as in :mod:`.fused`, where ``mean_nc`` is
    ``means``, (N, C)::

        gate = layer(scale * (mean_nc - mean) + beta)           scale = gamma * rstd
        out  = relu(z * (scale * gate) + (beta - mean * scale) * gate + shortcut)
    """
    x = z.to(accumulation_dtype(z.dtype))
    gamma, beta = affine_of(norm, x.shape[1], x)
    if uses_batch(norm):
        # Take both moments around a rough mean: a compiler fuses the two sums into one pass, while
        # `torch.var` needs two. The top-left pixel is a good enough guess. Moments around 0 would
        # cancel: E[z^2] - E[z]^2 of a mean far from 0 has no digits left.
        near = x[:, :, 0, 0].mean(0).detach()
        around = x - near[:, None, None]
        mean_nc, square_nc = around.mean((2, 3)), around.square().mean((2, 3))
        var = square_nc.mean(0) - mean_nc.mean(0).square()
        mean_nc = mean_nc + near
        statistics = Statistics(mean_nc.mean(0), var, x[:, 0].numel())
        if group := group_of(norm):
            statistics = reduce_statistics(statistics, group)
        remember(norm, statistics)
        mean, rstd = statistics.mean, (statistics.var + norm.eps).rsqrt()
    else:
        mean_nc = x.mean((2, 3))
        mean, rstd = remembered(norm, x.shape[1], x)
    scale = gamma * rstd
    gate = gate_of(se, scale * (mean_nc - mean) + beta)
    # Not (x - mean) * scale: a compiler would keep that difference, in float32, for the backward.
    factor, constant = (v[..., None, None] for v in (scale * gate, (beta - mean * scale) * gate))
    return F.relu(x * factor + constant + shortcut).to(z.dtype)


def gate_of(se: nn.Module | None, squeezed: Tensor) -> Tensor:
    """The gate (N, C) for ``squeezed`` (N, C), in its precision; 1 where there is no layer.

    In float32 under mixed precision too: this costs nothing, and a gate in 16 bits flips signs
    before the ReLU.
    """
    if se is None:
        return torch.ones_like(squeezed)
    with torch.autocast(squeezed.device.type, enabled=False):
        layer = cast('RecalibrationLayer', se)  # it has `gates_average`, see `fits`
        return layer.scale(squeezed[..., None, None]).flatten(1)


class _RanksContext(Context):
    """Context of a sum over ranks."""

    group: dist.ProcessGroup


class _AllReduce(torch.autograd.Function):
    """Sum over ranks of a tensor of any shape, and of its gradients."""

    @staticmethod
    def forward(ctx: _RanksContext, x: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        x = x.clone()
        dist.all_reduce(x, group=group)
        return x

    @staticmethod
    def backward(ctx: _RanksContext, grad: Tensor) -> tuple[Tensor, None]:
        grad = grad.clone()
        dist.all_reduce(grad, group=ctx.group)
        return grad, None


def reduce_statistics(local: Statistics, group: dist.ProcessGroup) -> Statistics:
    """Statistics of all ranks, through which gradients flow: three sums over ranks."""
    mean, var = local.mean, local.var
    size = mean.new_tensor([local.size])
    total = _AllReduce.apply(size, group)
    merged = _AllReduce.apply(mean * size, group) / total
    spread = _AllReduce.apply((var + (mean - merged).square()) * size, group)
    return Statistics(merged, spread / total, total)
