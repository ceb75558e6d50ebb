"""Steps of distributed training, timed on the processes of this machine; see scaling.py."""

import argparse
import contextlib
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from mmengine.model import MMDistributedDataParallel
from torch import Tensor, nn

from senet_mm.engine.distributed_model import complete_wrapper
from senet_mm.engine.speed import has_fast_bf16
from senet_mm.utils.measure import Timing, interleave

from .common import SE, classifier, ours
from .scaling_model import Gradient, make_buckets

ALONE, REDUCE = 'step without exchange', 'all-reduce alone'
OURS = 'ours'


def make_settings(bucket_mb: list[float]) -> dict[str, dict]:
    """By name, values of ``model_wrapper_cfg``; the first is what the others are compared with."""
    return {
        'mmengine': dict(gradient_as_bucket_view=False),
        OURS: {},
        'static_graph': dict(static_graph=True),
        'find_unused_parameters': dict(find_unused_parameters=True),
        'batched_grad_copy': dict(batched_grad_copy=True),
        **{f'buckets of {size:g} MiB': dict(bucket_cap_mb=size) for size in bucket_mb},
        'compression bf16': dict(compression='bf16'),
        'compression fp16': dict(compression='fp16'),
    }


class Step:
    """A step as in a recipe, wrapped for several processes; buckets have their final form.

    Args:
        model: The network.
        settings: The ``model_wrapper_cfg``.
        images: A batch of this process, (N, 3, H, W).
        labels: Its labels, (N,).

    Attributes:
        gradients: The gradients of the batch, by name.
        doubled: Bytes of gradients that lie outside of the buckets.
    """

    def __init__(self, model: nn.Module, settings: dict, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels
        wrapper = complete_wrapper({}, settings)
        if images.is_cuda:
            wrapper['device_ids'] = [images.device.index]
        kind = wrapper.pop('type')
        self.model: MMDistributedDataParallel = kind(model, **wrapper)
        self.optimizer = torch.optim.SGD(model.parameters(), 0.01, fused=True)
        kept: dict[str, Tensor] = {}
        for _ in range(4):  # torch orders the buckets anew after the first pass, or the second one
            kept = self._read_gradients()
            self.optimizer.zero_grad()
            self.compute_loss().backward()
        found = self._read_gradients()
        self.doubled = sum(
            gradient.nbytes
            for name, gradient in found.items()
            if gradient.data_ptr() != kept[name].data_ptr()
        )
        self.gradients = {name: gradient.clone() for name, gradient in found.items()}
        self.optimizer.zero_grad()

    def _read_gradients(self) -> dict[str, Tensor]:
        named = self.model.module.named_parameters()
        return {name: p.grad for name, p in named if p.grad is not None}

    def compute_loss(self) -> Tensor:
        """The loss of the batch, ()."""
        device = self.images.device.type
        with torch.autocast(device, torch.bfloat16, enabled=has_fast_bf16(device)):
            return F.cross_entropy(self.model(self.images).float(), self.labels)

    def __call__(self) -> None:
        self.compute_loss().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def alone(self) -> None:
        """A step without an exchange of gradients."""
        with self.model.no_sync():
            self()

    def profile(self) -> list[Gradient]:
        """When in the backward pass each parameter's gradient is ready; a median of three."""
        names = [name for name, _ in self.model.named_parameters()]
        rounds = [self._record() for _ in range(3)]
        sizes = {name: p.nbytes for name, p in self.model.named_parameters()}
        found = [Gradient(sizes[name], sorted(one[name] for one in rounds)[1]) for name in names]
        return sorted(found, key=lambda gradient: gradient.ready)

    def _record(self) -> dict[str, float]:
        ready: dict[str, float] = {}

        def note(name: str) -> Callable[[Tensor], None]:
            return lambda _: ready.__setitem__(name, time.perf_counter())

        with contextlib.ExitStack() as stack, self.model.no_sync():
            for name, parameter in self.model.named_parameters():
                handle = parameter.register_post_accumulate_grad_hook(note(name))
                stack.callback(handle.remove)
            loss = self.compute_loss()
            start = time.perf_counter()
            loss.backward()
        self.optimizer.zero_grad()
        duration = max(ready.values()) - start
        return {name: (moment - start) / duration for name, moment in ready.items()}


def run(processes: int, args: argparse.Namespace, names: list[str]) -> dict:
    """Time steps with some settings on so many processes.

    Args:
        processes: One per GPU, or on the CPU.
        args: Arguments of scaling.py.
        names: Keys of :func:`make_settings`.

    Returns:
        Of the slowest process, ``timings`` by name; of the first one ``errors``, the distance of
        its gradients from those of the first settings relative to their norm, ``doubled``, bytes
        of gradients that lie outside of the buckets, and ``profile``.
    """
    # A forked process of a GPU cannot use it.
    method = 'spawn' if torch.cuda.is_available() else 'fork'
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.start_processes(
            _work, (processes, args, names, folder), processes, start_method=method
        )
        return json.loads(Path(folder, 'results.json').read_text())


def _work(
    rank: int, processes: int, args: argparse.Namespace, names: list[str], folder: str
) -> None:
    warnings.filterwarnings('ignore', '`broadcast_buffers` is deprecated', FutureWarning)
    torch.set_num_threads(args.threads)
    on_gpu = torch.cuda.is_available()
    device = torch.device('cuda', rank) if on_gpu else torch.device('cpu')
    if on_gpu:
        torch.cuda.set_device(device)
    store = f'file://{folder}/store'
    dist.init_process_group('nccl' if on_gpu else 'gloo', store, rank=rank, world_size=processes)
    steps = _make_steps(args, names, device, rank)
    first = next(iter(steps.values()))
    gradients = first.profile()
    sizes = [bucket.size for bucket in make_buckets(gradients)]
    buckets = [torch.zeros(int(size) // 4, device=device) for size in sizes]

    def reduce_alone() -> None:
        for exchange in [dist.all_reduce(bucket, async_op=True) for bucket in buckets]:
            exchange.wait()

    calls: dict[str, Callable[[], None]] = {ALONE: first.alone, REDUCE: reduce_alone, **steps}
    # All begin at once: who waited for others in an earlier call must not wait in this one.
    turns = [
        pair for name in calls for pair in ((f'wait for {name}', dist.barrier), (name, calls[name]))
    ]
    timings = interleave(dict(turns), args.rounds)
    everywhere: list[dict[str, Timing]] = [{}] * processes
    dist.all_gather_object(everywhere, {name: timings[name] for name in calls})
    if rank == 0:
        results = dict(
            timings={name: max(one[name] for one in everywhere) for name in calls},
            errors={
                name: distance(step.gradients, first.gradients) for name, step in steps.items()
            },
            doubled={name: step.doubled for name, step in steps.items()},
            profile=gradients,
        )
        Path(folder, 'results.json').write_text(json.dumps(results))
    dist.destroy_process_group()


def _make_steps(
    args: argparse.Namespace, names: list[str], device: torch.device, rank: int
) -> dict[str, Step]:
    """Steps of equal networks, on a batch that differs between processes."""
    settings = make_settings(args.bucket_mb)
    generator = torch.Generator().manual_seed(rank)
    shape = (args.batch_size, 3, args.size, args.size)
    images = torch.randn(shape, generator=generator).to(device, memory_format=torch.channels_last)
    labels = torch.randint(0, 1000, (args.batch_size,), generator=generator).to(device)
    steps = {}
    for name in names:
        torch.manual_seed(0)
        model = make_network(args).to(device, memory_format=torch.channels_last)
        steps[name] = Step(model.train(), settings[name], images, labels)
    return steps


def make_network(args: argparse.Namespace) -> nn.Module:
    """The network of the benchmark; its small form has the blocks of the large one."""
    if args.small:
        return classifier(dict(type='ResNet', depth=8), SE, channels=64)
    fast = has_fast_bf16('cuda' if torch.cuda.is_available() else 'cpu')
    return ours(args.network, 'fused' if fast else 'reference')


def distance(gradients: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    """Norm of the difference of gradients (D1, D2, ...) by name, relative to that of the others."""
    squares = [
        (float((value - others[name]).square().sum()), float(others[name].square().sum()))
        for name, value in gradients.items()
    ]
    difference, whole = map(sum, zip(*squares, strict=True))
    return (difference / whole) ** 0.5
