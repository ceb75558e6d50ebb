"""A model of distributed training on GPUs: the time of a step from bytes, bandwidth and overlap.

Times of exchanges are those of NCCL's own tuning model, see nccl_model.py. The assumptions are in
docs/scaling.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from .nccl_model import Group

FIRST_BUCKET = 2**20  # torch makes the first bucket smaller, if no size is asked for
BUCKET = 25 * 2**20


class Gradient(NamedTuple):
    """The gradient of a parameter, or of a bucket of them.

    Attributes:
        size: Bytes.
        ready: When it is ready, as a share of the backward pass, from 0 to 1.
    """

    size: float
    ready: float


@dataclass(frozen=True)
class Cluster:
    """Nodes of GPUs. Times in seconds, bandwidths in bytes per second.

    Attributes:
        per_node: GPUs of a node.
        nvlink: Bandwidth of a GPU to the others of its node, in one direction: 900 GB/s for both
            (H100 and H200 SXM).
        network: Bandwidth of a GPU's network adapter, in one direction: 400 Gb/s (DGX H100).
        attained: Share of both that an all-reduce attains: 371 of 450 GB/s was measured on a HGX
            H100 (validation of ASTRA-sim).
        latency: Factor of the latencies of ``nccl_model.PROTOCOLS``.
        memory: Bandwidth of a GPU's memory (H200, docs/gpu.md).
        launch: Time of a small kernel.
        slowdown: Share by which an all-reduce slows down what is computed beside it: it takes 24 of
            132 multiprocessors.
        jitter: Standard deviation of a GPU's step, as a share of it; all wait for the slowest.
    """

    per_node: int = 8
    nvlink: float = 450e9
    network: float = 50e9
    attained: float = 0.82
    latency: float = 1.0
    memory: float = 4.3e12
    launch: float = 2e-6
    slowdown: float = 24 / 132
    jitter: float = 0.01

    def all_reduce(self, size: float, gpus: int) -> float:
        """Seconds to sum ``size`` bytes over GPUs."""
        return 0.0 if gpus == 1 else self._group(gpus).all_reduce(size)

    def all_gather(self, size: float, gpus: int) -> float:
        """Seconds to give all GPUs the ``size`` bytes of each one."""
        return 0.0 if gpus == 1 else self._group(gpus).all_gather(size)

    def _group(self, gpus: int) -> Group:
        nodes = math.ceil(gpus / self.per_node)
        # Each adapter of a node carries a part of the ring.
        network = gpus / nodes * self.network
        bandwidth = self.nvlink if nodes == 1 else min(self.nvlink, network)
        return Group(gpus, nodes, self.attained * bandwidth, self.latency)


# Nothing but computing takes time.
IDEAL = Cluster(
    nvlink=math.inf, network=math.inf, latency=0, memory=math.inf, launch=0, slowdown=0, jitter=0
)


@dataclass(frozen=True)
class Work:
    """What a GPU does in a step by itself.

    Attributes:
        seconds: Time of a step on one GPU.
        images: Images of a step.
        gradients: In the order in which they become ready.
        backward: The backward pass's share of the step; the update that follows it is left out.
        synced_channels: Channels of each batch norm that is synchronised.
    """

    seconds: float
    images: int
    gradients: Sequence[Gradient]
    backward: float = 2 / 3
    synced_channels: Sequence[int] = ()


@dataclass(frozen=True)
class Settings:
    """Settings of DDP: ``model_wrapper_cfg``.

    Attributes:
        bucket: Bytes of a bucket; None for torch's default.
        view: Gradients are views of the buckets.
        compressed: Gradients are exchanged in 16 bits.
        batched: The gradients of a bucket are copied by one kernel.
    """

    bucket: float | None = None
    view: bool = True
    compressed: bool = False
    batched: bool = False


class Step(NamedTuple):
    """Seconds of a step, and of its parts.

    Attributes:
        time: The whole step.
        reducing: All-reduces of the gradients, hidden or not.
        exposed: Their part after the end of the backward pass.
        copying: Copies between gradients and buckets.
        norms: Exchanges of synchronised batch norms.
        waiting: Waiting for the slowest GPU.
    """

    time: float
    reducing: float
    exposed: float
    copying: float
    norms: float
    waiting: float

    @property
    def overlap(self) -> float:
        """Share of the all-reduces that is hidden by the backward pass."""
        # Exposed is a difference of times: rounding can make it larger than their sum.
        return max(0.0, 1 - self.exposed / self.reducing) if self.reducing else 1.0


def make_buckets(gradients: Sequence[Gradient], size: float | None = None) -> list[Gradient]:
    """Buckets as torch fills them: one is closed as soon as it has ``size`` bytes, or more."""
    limit = FIRST_BUCKET if size is None else size
    buckets, filled = [], 0.0
    for i, gradient in enumerate(gradients):
        filled += gradient.size
        if filled >= limit or i == len(gradients) - 1:
            buckets.append(Gradient(filled, gradient.ready))
            limit, filled = BUCKET if size is None else size, 0.0
    return buckets


def model_step(work: Work, gpus: int, cluster: Cluster, settings: Settings) -> Step:
    """The step of a GPU among others; buckets are summed one after the other."""
    if gpus == 1:
        return Step(work.seconds, 0.0, 0.0, 0.0, 0.0, 0.0)
    copying = _copy_time(work, cluster, settings)
    backward = work.seconds * work.backward + copying
    free = reducing = 0.0  # from the start of the backward pass
    for bucket in make_buckets(work.gradients, settings.bucket):
        size = bucket.size / 2 if settings.compressed else bucket.size
        duration = cluster.all_reduce(size, gpus)
        free = max(free, bucket.ready * backward) + duration
        reducing += duration
    exposed = max(0.0, free - backward)
    slowed = (reducing - exposed) * cluster.slowdown
    # Float32: the forward pass gathers mean, deviation, count; the backward pass sums two vectors.
    norms = sum(
        cluster.all_gather(8 * channels + 4, gpus) + cluster.all_reduce(8 * channels, gpus)
        for channels in work.synced_channels
    )
    # Expected maximum of so many normal variables.
    waiting = work.seconds * cluster.jitter * math.sqrt(2 * math.log(gpus))
    time = work.seconds + copying + slowed + exposed + norms + waiting
    return Step(time, reducing, exposed, copying, norms, waiting)


def _copy_time(work: Work, cluster: Cluster, settings: Settings) -> float:
    """Seconds to copy gradients into buckets, and, unless they are views, back."""
    size = sum(gradient.size for gradient in work.gradients)
    ways = 1 if settings.view else 2
    kernels = len(work.gradients)
    if settings.batched:
        kernels = 2 * len(make_buckets(work.gradients, settings.bucket))
    seconds = ways * (2 * size / cluster.memory + kernels * cluster.launch)
    if settings.compressed:  # to 16 bits, and back
        buckets = len(make_buckets(work.gradients, settings.bucket))
        seconds += 2 * (1.5 * size / cluster.memory + buckets * cluster.launch)
    return seconds


def without_overlap(work: Work) -> Work:
    """The same work, whose gradients all become ready at the end of the backward pass."""
    return replace(work, gradients=[g._replace(ready=1.0) for g in work.gradients])
