#!/usr/bin/env python
"""Time training steps of this project, mmpretrain, timm and the plain network, in turns.

python tools/benchmarks/train.py --network seresnet50 --batch-size 16

Each variant has a process of its own. "peer" is the speed of a row of ours relative to the fastest
row of mmpretrain and timm of the same form (precision, compiler). Rows in brackets have no SE.
Kept memory is what autograd keeps for the backward pass, parameters left out, counted exactly.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from helpers.options import make_parser, read

if __name__ == '__main__':
    args = read(make_parser(__doc__, batch_size=16, rounds=5))

import torch
import torch.nn.functional as F
from helpers.common import (
    Row,
    compare_with_peer,
    ours,
    peers,
    print_table,
    select,
    start,
)
from helpers.turns import CLOCKS, exit_on_faults, time_in_turns
from torch import Tensor

from senet_mm.cli import reported_errors
from senet_mm.engine.speed import compile_regions


class Step:
    """A training step of a network on one batch; built when it is first called.

    Args:
        make: Makes the network.
        device: Device.
        bf16: Run under bfloat16 autocast.
        channels_last: Memory layout of the maps.
        compiled: Compile the network, block by block where it is ours.
    """

    def __init__(
        self, make: object, device: str, bf16: bool, channels_last: bool, compiled: bool = False
    ) -> None:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.model = make().to(device, memory_format=layout).train()
        if compiled:
            compile_regions(self.model)
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.01, momentum=0.9, fused=True)
        self.autocast = dict(device_type=device, dtype=torch.bfloat16, enabled=bf16)

    def loss(self, x: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(**self.autocast):
            return F.cross_entropy(self.model(x).float(), labels)

    def __call__(self, x: Tensor, labels: Tensor) -> None:
        self.loss(x, labels).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def kept(self, x: Tensor, labels: Tensor) -> int:
        """Bytes that autograd keeps for the backward pass."""
        own = {p.untyped_storage().data_ptr() for p in self.model.parameters()}
        storages = {}

        def pack(kept: Tensor) -> Tensor:
            storages[kept.untyped_storage().data_ptr()] = kept
            return kept

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
            self.loss(x, labels)
        return sum(t.untyped_storage().nbytes() for p, t in storages.items() if p not in own)


class Variant(NamedTuple):
    """A row of the table: what it is compared with, what makes its step."""

    row: Row
    make: Callable[[], Step]


def make_variants(network: str, device: str) -> dict[str, Variant]:
    """The rows by name."""

    def mine(form: str, *args: object, **options: object) -> Variant:
        return Variant(
            Row(form, True), lambda: Step(partial(ours, network, **options), device, *args)
        )

    def theirs(form: str, *args: object) -> dict[str, Variant]:
        return {
            f'{name} {form}': Variant(
                Row(form.removesuffix(' nhwc'), False), lambda make=make: Step(make, device, *args)
            )
            for name, make in peers(network).items()
        }

    fp32, bf16, compiled = (False, True), (True, True), (True, True, True)
    variants = theirs('fp32', False, False) | theirs('fp32 nhwc', *fp32)
    variants |= theirs('bf16 nhwc', *bf16)
    variants |= {
        'reference fp32 nhwc': mine('fp32', *fp32),
        'fused fp32 nhwc': mine('fp32', *fp32, implementation='fused'),
        'reference bf16 nhwc': mine('bf16', *bf16),
        'fused bf16 nhwc': mine('bf16', *bf16, implementation='fused'),
        'fused lean bf16 nhwc': mine('bf16', *bf16, implementation='fused', lean=True),
        '(plain reference bf16 nhwc)': mine('', *bf16, se=False),
        '(plain fused bf16 nhwc)': mine('', *bf16, se=False, implementation='fused'),
    }
    if device == 'cuda':  # on a CPU it is slower, after minutes of compiling
        variants |= theirs('compiled', *compiled)
        variants['ours compiled'] = mine('compiled', *compiled, implementation='algebra')
        variants['(plain compiled)'] = mine('', *compiled, implementation='algebra', se=False)
    return variants


def build(variant: Variant, args: argparse.Namespace, device: str) -> dict[str, Callable]:
    """The step of a variant on a random batch."""
    torch.manual_seed(0)
    x = torch.randn(args.batch_size, 3, args.size, args.size, device=device)
    labels = torch.randint(0, 1000, (args.batch_size,), device=device)
    return {'step': partial(variant.make(), x, labels)}


def main(args: argparse.Namespace) -> None:
    device = start(args)
    variants = select(make_variants(args.network, device), args.only)
    results = time_in_turns(
        {name: partial(build, variant, args, device) for name, variant in variants.items()},
        dict(step=args.rounds),
        measure=lambda call: call.func.kept(*call.args),
        warm=False,  # maps of a step are larger than the caches
        clock=CLOCKS[args.clock],
    )
    times = {n: r['step'].timing.median for n, r in results.items() if r['step'].timing}
    base = next(iter(times.values()), 0)
    compared = {name: variant.row for name, variant in variants.items()}
    rows = []
    for name, result in results.items():
        timing, kept, fault = result['step']
        if timing is None:
            rows.append([name, f'failed: {fault}', '', '', '', ''])
            continue
        peer = compare_with_peer(name, times, compared)
        rate = args.batch_size / timing.median
        rows.append([name, timing, base / timing.median, peer, rate, f'{kept / 2**20:.0f}'])
    print_table(['variant', 'median (quartiles)', 'ratio', 'peer', 'img/s', 'kept MiB'], rows)
    exit_on_faults(results)


if __name__ == '__main__':
    with reported_errors():
        main(args)
