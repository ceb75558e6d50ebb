"""Batch norm as numbers per channel: statistics, their exchange between ranks, running averages.

Sums are taken in float32 (float64 for float64), around the mean. The difference of raw moments,
E[z^2] - E[z]^2, is wrong by a third in float32 where the mean is 1000 standard deviations.
"""

from typing import NamedTuple, TypeGuard

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class Statistics(NamedTuple):
    """Statistics of the batch by channel.

    Attributes:
        mean: Mean, (C,).
        var: Biased variance, (C,).
        size: Values per channel, of all ranks.
    """

    mean: Tensor
    var: Tensor
    size: Tensor | int


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """The precision of sums and of the gate."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def uses_batch(norm: nn.Module) -> TypeGuard[_BatchNorm]:
    """Whether a norm normalises by the statistics of the batch, not by running ones."""
    return isinstance(norm, _BatchNorm) and (norm.training or norm.running_mean is None)


def group_of(norm: nn.Module) -> dist.ProcessGroup | None:
    """The ranks with which a norm shares its statistics; None for none."""
    if not isinstance(norm, nn.SyncBatchNorm) or not norm.training or not dist.is_initialized():
        return None
    group = norm.process_group or dist.group.WORLD
    return group if dist.get_world_size(group) > 1 else None


def affine_of(norm: nn.Module, channels: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and offset of a norm, (C,); 1 and 0, in the precision of sums, where it has none."""
    gain, offset = getattr(norm, 'weight', None), getattr(norm, 'bias', None)
    dtype = accumulation_dtype(like.dtype)
    return (
        like.new_ones(channels, dtype=dtype) if gain is None else gain,
        like.new_zeros(channels, dtype=dtype) if offset is None else offset,
    )


def remembered(norm: nn.Module, channels: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Running mean and 1 / standard deviation of a norm, (C,); 0 and 1 for an ``Identity``."""
    if (
        isinstance(norm, _BatchNorm)
        and norm.running_mean is not None
        and norm.running_var is not None
    ):
        return norm.running_mean.clone(), (norm.running_var + norm.eps).rsqrt()
    ones, zeros = affine_of(norm, channels, like)
    return zeros, ones


def merge(mean: Tensor, var: Tensor, size: Tensor | int) -> Statistics:
    """Statistics of the union of K sets, by Chan's formula.

    Args:
        mean: Means, (K, C).
        var: Biased variances, (K, C).
        size: Values per set, (K, 1), or one number for all.
    """
    if not isinstance(size, Tensor):
        between, merged = torch.var_mean(mean, 0, correction=0)
        return Statistics(merged, var.mean(0) + between, size * len(mean))
    total = size.sum()
    merged = (mean * size).sum(0) / total
    return Statistics(merged, ((var + (mean - merged).square()) * size).sum(0) / total, total)


def gather_statistics(local: Statistics, group: dist.ProcessGroup) -> Statistics:
    """Statistics of all ranks, whose batches may differ in size: one collective, no gradient."""
    mine = torch.cat([local.mean, local.var, local.mean.new_tensor([local.size])])
    everyone = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(everyone, mine, group=group)
    mean, var, size = torch.stack(everyone).split([len(local.mean), len(local.var), 1], dim=1)
    return merge(mean, var, size)


@torch.no_grad()
def remember(norm: _BatchNorm, statistics: Statistics) -> None:
    """Update the running statistics, as ``BatchNorm.forward`` does; the variance unbiased."""
    running_mean, running_var = norm.running_mean, norm.running_var
    if not norm.training or running_mean is None or running_var is None:
        return
    mean, var, size = statistics.mean.detach(), statistics.var.detach(), statistics.size
    momentum: float | Tensor = norm.momentum or 0
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        momentum = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
    running_mean.lerp_(mean.to(running_mean.dtype), momentum)
    running_var.lerp_((var * (size / (size - 1))).to(running_var.dtype), momentum)
