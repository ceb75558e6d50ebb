"""The tail of an SE block as two autograd nodes around an ordinary gate.

Two passes over the feature maps forward, of which the first only reads, and two backward: 11 reads
and writes where ordinary code makes 29. The gate stays a module of its own, with its hooks and
gradients.

Names, here and in :mod:`.plain`, :mod:`.kernels` and :mod:`.norms`. Maps are (N, C, H, W); a sample
has P = H * W positions, and M values per channel make the statistics::

    z            map         output of the block's last convolution
    shortcut     map         what is added to the recalibrated branch
    mean, rstd   (C,)        mean and 1 / standard deviation of the norm
    gamma, beta  (C,)        gain and offset of the norm
    scale        (C,)        gamma * rstd
    offset       (C,)        beta, as the second node sees it
    means        (N, C)      mean of z over positions
    squeezed     (N, C)      mean of norm(z) over positions: scale * (means - mean) + beta
    gate         (N, C)      what the layer makes of ``squeezed``
    grad         map         gradient of the output
    g            map         grad where the output is positive, else 0
    t0, t1       (N, C)      sums of g and of g * (z - mean) over positions
    dNAME                    gradient of NAME

Forward::

    norm(z)  = scale * (z - mean) + beta
    out      = relu(gate * norm(z) + shortcut)

Backward, where dsqueezed comes from dgate through the gate's own graph::

    dgate    = scale * t1 + beta * t0                   dshortcut = g
    dbeta    = sum_n(gate * t0 + dsqueezed)
    dgamma   = rstd * sum_n(gate * t1 + dsqueezed * (means - mean))
    dz       = scale * gate * g + factor * (z - mean) + constant
    factor   = -scale * rstd * dgamma / M
    constant = scale * dsqueezed / P - scale * dbeta / M

With running statistics, which do not depend on z, ``factor`` and the last term are 0.

Contract of the two nodes: the gradient that :class:`_ScaleAddReLU` hands to its first input is g,
not scale * gate * g. :class:`_NormSqueeze` applies all factors in the one pass that makes dz.
Therefore the first node must know the gate, which comes by a :class:`_Link`.
"""

import importlib.util
import os
from collections.abc import Callable
from types import ModuleType

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from senet_mm.utils.autograd import Context

from . import plain
from .algebra import gate_of
from .norms import affine_of, gather_statistics, group_of, merge, remember, remembered, uses_batch
from .plain import same_layout

# PyTorch brings it for GPUs under Linux.
HAS_TRITON = importlib.util.find_spec('triton') is not None


def backend(z: Tensor) -> ModuleType:
    """The module with the passes over maps like z (N, C, H, W): Triton's or PyTorch's."""
    if (z.is_cuda and HAS_TRITON) or kernels_are_interpreted():
        from . import kernels

        if kernels.supports(z):
            return kernels
    return plain


def kernels_are_interpreted() -> bool:
    """Whether Triton runs its kernels on the CPU, for tests (``TRITON_INTERPRET=1``)."""
    return os.environ.get('TRITON_INTERPRET') == '1'


class _Link:
    """Carries the gate from the forward pass of the second node to the backward of the first."""

    gate: Tensor


class _NormContext(Context):
    """Context of a node with a norm.

    Attributes:
        size: M, values per channel in the statistics of the batch; None for running statistics.
        group: The ranks that share the statistics; None for this one alone.
    """

    size: Tensor | int | None
    group: dist.ProcessGroup | None


class _LinkedContext(_NormContext):
    """Context of a node with a norm before a gate."""

    link: _Link


def fused_tail(z: Tensor, shortcut: Tensor, norm: nn.Module, se: nn.Module | None) -> Tensor:
    """``relu(norm(z) * gate + shortcut)``, (N, C, H, W).

    Arguments as in :func:`senet_mm.ops.se_tail`.
    """
    z = same_layout(z)
    link = _Link()
    alias, squeezed, scale, offset, mean = _NormSqueeze.apply(
        z, *affine_of(norm, z.shape[1], z), norm, link
    )
    gate = gate_of(se, squeezed)
    link.gate = gate.detach()
    return _ScaleAddReLU.apply(alias, gate, scale, offset, mean, same_layout(shortcut, z))


def fused_norm_relu(z: Tensor, norm: nn.Module) -> tuple[Tensor, Callable[[], Tensor]]:
    """``relu(norm(z))`` for z (N, C, H, W), and a function that computes it once more."""
    z = same_layout(z)
    y, mean, scale, offset = _NormReLU.apply(z, *affine_of(norm, z.shape[1], z), norm)
    source = z.detach()
    return y, lambda: backend(source).affine_relu(source, mean, scale, offset, None)


def normalize(z: Tensor, norm: nn.Module, needs_means: bool) -> tuple:
    """``mean``, ``rstd`` (C,), ``means`` (N, C) and M, for z (N, C, H, W).

    Updates the running statistics. M is None where they normalise; ``means`` is None there unless
    it is needed.
    """
    if not uses_batch(norm):
        mean, rstd = remembered(norm, z.shape[1], z)
        means = z.mean((2, 3), dtype=mean.dtype) if needs_means else None
        return mean, rstd, means, None
    means, variances = backend(z).moments(z)
    statistics = merge(means, variances, z[0, 0].numel())
    if group := group_of(norm):
        statistics = gather_statistics(statistics, group)
    remember(norm, statistics)
    return statistics.mean, (statistics.var + norm.eps).rsqrt(), means, statistics.size


def through_statistics(
    ctx: _NormContext, scale: Tensor, rstd: Tensor, dgamma: Tensor, dbeta: Tensor
) -> tuple[Tensor | None, Tensor]:
    """``factor`` and the last term of ``constant`` in dz, (C,): the paths through the statistics.

    Ranks that share statistics add up ``dgamma`` and ``dbeta`` here. The parameters' own gradients
    stay local, because DDP averages them.
    """
    if ctx.size is None:
        return None, torch.zeros_like(scale)
    if ctx.group is not None:
        sums = torch.cat([dgamma, dbeta])
        dist.all_reduce(sums, group=ctx.group)
        dgamma, dbeta = sums.chunk(2)
    share = scale / -ctx.size
    return share * rstd * dgamma, share * dbeta


class _NormSqueeze(torch.autograd.Function):
    """First node: ``z -> z, squeezed, scale, offset, mean``."""

    @staticmethod
    def forward(
        ctx: _LinkedContext, z: Tensor, gamma: Tensor, beta: Tensor, norm: nn.Module, link: _Link
    ) -> tuple[Tensor, ...]:
        mean, rstd, means, ctx.size = normalize(z, norm, needs_means=True)
        ctx.group, ctx.link = group_of(norm), link
        scale = gamma * rstd
        ctx.save_for_backward(z, scale, mean, rstd, means)
        ctx.mark_non_differentiable(mean)
        # Not z and beta themselves: autograd handles an output that is an input in a special way.
        squeezed = torch.addcmul(beta, scale, means - mean)
        return z.view_as(z), squeezed, scale, beta.clone(), mean

    @staticmethod
    @once_differentiable
    def backward(
        ctx: _LinkedContext,
        g: Tensor,
        dsqueezed: Tensor,
        dscale: Tensor,
        doffset: Tensor,
        _: Tensor,
    ) -> tuple[Tensor | None, ...]:
        # By contract g is the gradient behind the ReLU, without scale * gate.
        z, scale, mean, rstd, means = ctx.saved_tensors
        dbeta = doffset + dsqueezed.sum(0)
        dgamma = rstd * (dscale + (dsqueezed * (means - mean)).sum(0))
        factor, constant = through_statistics(ctx, scale, rstd, dgamma, dbeta)
        constant = scale * dsqueezed / z[0, 0].numel() + constant
        dz = backend(z).input_grad(g, z, mean, scale * ctx.link.gate, factor, constant)
        return dz, dgamma, dbeta, None, None


class _ScaleAddReLU(torch.autograd.Function):
    """Second node: ``relu(gate * (scale * (z - mean) + offset) + shortcut)``."""

    @staticmethod
    def forward(
        ctx: Context,
        z: Tensor,
        gate: Tensor,
        scale: Tensor,
        offset: Tensor,
        mean: Tensor,
        shortcut: Tensor,
    ) -> Tensor:
        out = backend(z).affine_relu(z, mean, gate * scale, gate * offset, shortcut)
        ctx.save_for_backward(z, out, gate, scale, offset, mean)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, out, gate, scale, offset, mean = ctx.saved_tensors
        g, t0, t1 = backend(z).grad_sums(same_layout(grad, z), out, z, mean)
        dgate = torch.addcmul(scale * t1, offset, t0)
        # The first g goes to z, without its factor: see the contract. The last one is dshortcut.
        return g, dgate, (gate * t1).sum(0), (gate * t0).sum(0), None, g


class _NormReLU(torch.autograd.Function):
    """``relu(norm(z))``, with the numbers to compute it again.

    Of the maps it keeps z alone: the sign of the output is computed again in the backward pass.
    """

    @staticmethod
    def forward(
        ctx: _NormContext, z: Tensor, gamma: Tensor, beta: Tensor, norm: nn.Module
    ) -> tuple[Tensor, ...]:
        mean, rstd, _, ctx.size = normalize(z, norm, needs_means=False)
        ctx.group = group_of(norm)
        scale, offset = gamma * rstd, beta.clone()
        y = backend(z).affine_relu(z, mean, scale, offset, None)
        ctx.save_for_backward(z, scale, offset, mean, rstd)
        ctx.mark_non_differentiable(mean, scale, offset)
        ctx.set_materialize_grads(False)  # or autograd makes zeros for these three
        return y, mean, scale, offset

    @staticmethod
    @once_differentiable
    def backward(ctx: _NormContext, grad: Tensor, *_: None) -> tuple[Tensor | None, ...]:
        z, scale, offset, mean, rstd = ctx.saved_tensors
        grad = same_layout(grad, z)
        t0, t1 = backend(z).relu_grad_sums(grad, z, mean, scale, offset)
        dbeta, dgamma = t0.sum(0), rstd * t1.sum(0)
        factor, constant = through_statistics(ctx, scale, rstd, dgamma, dbeta)
        dz = backend(z).input_grad(grad, z, mean, scale, factor, constant, offset)
        return dz, dgamma, dbeta, None
