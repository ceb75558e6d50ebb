#!/usr/bin/env python
"""Count how often a tail reads and writes its feature map, and time it, with a copy for comparison.

python tools/benchmarks/tail.py

For eager code the operators are counted, for hand-written passes their arguments and results. For
compiled code, Inductor reports the bytes that its kernels access.
"""

import argparse
from collections.abc import Callable
from types import SimpleNamespace

from helpers.options import make_parser, read

if __name__ == '__main__':
    leave_out = 'network', 'size', 'clock', 'only'  # one shape, all rows
    args = read(make_parser(__doc__, 7, batch_size=16, leave_out=leave_out))

import torch
from helpers.common import print_table, start
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from senet_mm.cli import reported_errors
from senet_mm.models import SELayer
from senet_mm.ops import fused, norm_relu_conv, plain, se_tail
from senet_mm.utils.measure import interleave

# Batch norm in training reads its input a second time, and backward both of its inputs.
AGAIN = {'native_batch_norm': 1, '_native_batch_norm_legit': 1, 'native_batch_norm_backward': 2}
FREE = ('empty', 'select', 'detach', 'view', 'expand', 'alias', 'transpose', 'unsqueeze', 'new_')
PASSES = ('moments', 'affine_relu', 'grad_sums', 'relu_grad_sums', 'input_grad')


class Counter(TorchDispatchMode):
    """Adds up the bytes of maps that operators read and write."""

    def __init__(self, numel: int) -> None:
        super().__init__()
        self.numel, self.bytes, self.paused = numel, 0, False

    def of(self, values: object) -> int:
        """Bytes of the maps among the values; a broadcast map counts as 0."""
        values = values if isinstance(values, (tuple, list)) else [values]
        maps = [v for v in values if isinstance(v, Tensor) and v.numel() == self.numel]
        return sum(v.numel() * v.element_size() for v in maps if 0 not in v.stride())

    def __torch_dispatch__(
        self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__.removesuffix('_default')
        if not self.paused and not name.startswith(FREE):
            read = self.of(args)
            again = AGAIN.get(name, 0) * self.of(args[:1])
            self.bytes += read + again + self.of(out)
        return out

    def watched(self, function: Callable) -> Callable:
        """A pass that is counted by its arguments and results, not by the operators inside."""

        def run(*args: object) -> object:
            self.paused = True
            out = function(*args)
            self.paused = False
            maps = {id(a): a for a in args if isinstance(a, Tensor)}
            self.bytes += self.of(list(maps.values())) + self.of(out)
            return out

        return run


def count_eager(function: Callable, leaves: list[Tensor], grad: Tensor) -> float:
    """Passes of a forward and backward pass of eager code."""
    z = leaves[0]
    with Counter(z.numel()) as counter:
        passes = {name: counter.watched(getattr(plain, name)) for name in PASSES}
        original, fused.backend = fused.backend, lambda z: SimpleNamespace(**passes)
        try:
            out = function()
            # Not `backward`, which also accumulates into the leaves.
            torch.autograd.grad(out, leaves, grad, allow_unused=True)
        finally:
            fused.backend = original
    return counter.bytes / (z.numel() * z.element_size())


def count_compiled(function: Callable, leaves: list[Tensor], grad: Tensor) -> float:
    """Passes of the kernels that Inductor generates for the forward and backward pass."""
    from torch._inductor import config
    from torch._inductor.graph import GraphLowering

    accessed, z = [], leaves[0]
    original = GraphLowering.compile_to_module

    def counted(graph: GraphLowering) -> object:
        module = original(graph)
        accessed.append(graph.count_bytes()[0])
        return module

    torch._dynamo.reset()
    GraphLowering.compile_to_module = counted
    try:
        with config.patch(force_disable_caches=True):
            torch.compile(function, fullgraph=True)().backward(grad)
    finally:
        GraphLowering.compile_to_module = original
    return sum(accessed) / (z.numel() * z.element_size())


def make_functions(z: Tensor, r: Tensor) -> dict[str, tuple[Callable, Callable]]:
    """Name -> (function that counts, function to count)."""
    norm, se = nn.BatchNorm2d(z.shape[1]).to(z.device), SELayer(z.shape[1]).to(z.device)

    def tail(implementation: str) -> Callable:
        def run() -> Tensor:
            with torch.autocast(z.device.type, torch.bfloat16):
                return se_tail(z, r, norm, se, implementation=implementation)

        return run

    def norm_relu(implementation: str) -> Callable:
        return lambda: norm_relu_conv(z * 1, norm, nn.Identity(), implementation, lean=True)

    return {
        'tail, eager': (count_eager, tail('reference')),
        'tail, ordinary code compiled': (count_compiled, tail('reference')),
        'tail, algebra compiled': (count_compiled, tail('algebra')),
        'tail, fused': (count_eager, tail('fused')),
        'batch norm and ReLU, eager': (count_eager, norm_relu('reference')),
        'batch norm and ReLU, fused': (count_eager, norm_relu('fused')),
    }


def main(args: argparse.Namespace) -> None:
    device = start(args)
    shape = (args.batch_size, 256, 56, 56)
    z, r, grad = (
        torch.randn(shape, device=device, dtype=torch.bfloat16).to(
            memory_format=torch.channels_last
        )
        for _ in range(3)
    )
    z.requires_grad_()
    r.requires_grad_()
    functions = make_functions(z, r)
    passes = {k: count(function, [z, r], grad) for k, (count, function) in functions.items()}
    for name in passes:  # less the multiplication by one in front, and its gradient
        if 'ReLU' in name:
            passes[name] -= 4
    calls = {
        name: lambda function=function: function().backward(grad)
        for name, (count, function) in functions.items()
        if count is count_eager
    }
    calls['a copy'] = lambda: z.detach().clone()
    passes['a copy'] = 2.0
    timings = interleave(calls, args.rounds)
    size = z.numel() * z.element_size() / 1e9
    rows = []
    for name, count in passes.items():
        timing = timings.get(name)
        rate = f'{count * size / timing.median:.1f}' if timing else ''
        rows.append([name, count, timing or '', rate])
    print_table(['', 'passes', 'median (quartiles)', 'GB/s'], rows)


if __name__ == '__main__':
    with reported_errors():
        main(args)
