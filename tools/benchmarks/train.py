#!/usr/bin/env python
"""Time training steps of this project, mmpretrain, timm and the plain network, in turns.

python tools/benchmarks/train.py --network seresnet50 --batch-size 16

Kept memory is what autograd keeps for the backward pass, parameters left out, counted exactly.
"""

import torch
import torch.nn.functional as F
from common import make_parser, ours, peers, print_table, select, start
from torch import Tensor

from senet_mm.engine.speed import compile_regions
from senet_mm.utils.measure import interleave


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


def make_variants(network: str, device: str) -> dict[str, object]:
    """By name, functions that make a step."""

    def mine(**options: object) -> object:
        return lambda: ours(network, **options)

    def step(make: object, *args: object) -> object:
        return lambda: Step(make, device, *args)

    others = peers(network)
    variants = {f'{k} fp32': step(make, False, False) for k, make in others.items()}
    variants |= {f'{k} bf16 nhwc': step(make, True, True) for k, make in others.items()}
    variants |= {
        'reference fp32 nhwc': step(mine(implementation='reference'), False, True),
        'fused fp32 nhwc': step(mine(implementation='fused'), False, True),
        'reference bf16 nhwc': step(mine(implementation='reference'), True, True),
        'fused bf16 nhwc': step(mine(implementation='fused'), True, True),
        'fused lean bf16 nhwc': step(mine(implementation='fused', lean=True), True, True),
        'plain reference bf16 nhwc': step(mine(se=False, implementation='reference'), True, True),
        'plain fused bf16 nhwc': step(mine(se=False, implementation='fused'), True, True),
    }
    if device == 'cuda':  # on a CPU it is slower, after minutes of compiling
        variants |= {f'{k} compiled': step(make, True, True, True) for k, make in others.items()}
        variants['ours compiled'] = step(mine(implementation='algebra'), True, True, True)
        variants['plain compiled'] = step(
            mine(implementation='algebra', se=False), True, True, True
        )
    return variants


def main() -> None:
    args = make_parser(__doc__.splitlines()[0], batch_size=16, rounds=5).parse_args()
    device = start(args)
    x = torch.randn(args.batch_size, 3, args.size, args.size, device=device)
    labels = torch.randint(0, 1000, (args.batch_size,), device=device)
    variants = select(make_variants(args.network, device), args.only)
    steps = {name: make() for name, make in variants.items()}
    kept = {name: step.kept(x, labels) / 2**20 for name, step in steps.items()}
    calls = {name: lambda step=step: step(x, labels) for name, step in steps.items()}
    timings = interleave(calls, args.rounds, warmup=1)
    base = next(iter(timings.values()))
    rows = [
        [name, t, base.median / t.median, args.batch_size / t.median, f'{kept[name]:.0f}']
        for name, t in timings.items()
    ]
    print_table(['variant', 'median (quartiles)', 'ratio', 'img/s', 'kept MiB'], rows)


if __name__ == '__main__':
    main()
