"""Batch norm as numbers per channel: statistics, their exchange between ranks, their memory.

Sums are taken in float32 (float64 for float64), around the mean: the difference of raw moments,
E[z^2] - E[z]^2, is wrong by a third in float32 where the mean is 1000 standard deviations.
"""

from typing import NamedTuple

import torch
import torch.distributed as dist
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from torch import Tensor, nn


class Statistics(NamedTuple):
    """Attributes:
    mean: Mean, (C,).
    var: Biased variance, (C,).
    count: Values per channel, of all ranks.
    """

    mean: Tensor
    var: Tensor
    count: Tensor | int


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """The precision of sums and of the gate."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def uses_batch(norm: nn.Module) -> bool:
    """Whether a norm normalises by the statistics of the batch, not by those it remembers."""
    return isinstance(norm, _BatchNorm) and (norm.training or norm.running_mean is None)


def group_of(norm: nn.Module) -> dist.ProcessGroup | None:
    """The ranks with which a norm shares its statistics; None for none."""
    if not isinstance(norm, nn.SyncBatchNorm) or not norm.training or not dist.is_initialized():
        return None
    group = norm.process_group or dist.group.WORLD
    return group if dist.get_world_size(group) > 1 else None


def affine_of(norm: nn.Module, channels: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and offset of a norm, (C,); 1 and 0 where it has none."""
    if getattr(norm, 'weight', None) is not None:
        return norm.weight, norm.bias
    dtype = accumulation_dtype(like.dtype)
    return like.new_ones(channels, dtype=dtype), like.new_zeros(channels, dtype=dtype)


def remembered(norm: nn.Module, channels: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Running mean and 1 / standard deviation of a norm, (C,); 0 and 1 of no norm."""
    if isinstance(norm, nn.Identity):
        ones, zeros = affine_of(norm, channels, like)
        return zeros, ones
    return norm.running_mean.clone(), (norm.running_var + norm.eps).rsqrt()


def merge(mean: Tensor, var: Tensor, count: Tensor | int) -> Statistics:
    """Statistics of the union of K sets, by Chan's formula.

    Args:
        mean: Means, (K, C).
        var: Biased variances, (K, C).
        count: Values per set, (K, 1), or one number for all.
    """
    if not isinstance(count, Tensor):
        merged = mean.mean(0)
        return Statistics(merged, (var + (mean - merged).square()).mean(0), count * len(mean))
    total = count.sum()
    merged = (mean * count).sum(0) / total
    return Statistics(merged, ((var + (mean - merged).square()) * count).sum(0) / total, total)


def over_ranks(local: Statistics, group: dist.ProcessGroup) -> Statistics:
    """Statistics of all ranks, whose batches may differ in size: one collective."""
    count = local.mean.new_tensor([local.count])
    mine = torch.cat([local.mean, local.var, count])
    everyone = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(everyone, mine, group=group)
    mean, var, count = torch.stack(everyone).split([len(local.mean), len(local.var), 1], dim=1)
    return merge(mean, var, count)


@torch.no_grad()
def remember(norm: nn.Module, statistics: Statistics) -> None:
    """Move the running statistics, as ``BatchNorm.forward`` does."""
    if not norm.training or norm.running_mean is None:
        return
    mean, var = statistics.mean.detach(), statistics.var.detach()
    count = statistics.count
    norm.num_batches_tracked.add_(1)
    momentum = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), momentum)
    norm.running_var.lerp_((var * (count / (count - 1))).to(norm.running_var.dtype), momentum)
