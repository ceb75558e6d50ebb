#!/usr/bin/env python
"""Time inference of this project, mmpretrain, timm and the plain network, in turns.

python tools/benchmarks/infer.py --network seresnet50 --batch-size 1
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from common import make_parser, ours, peers, print_table, select, start
from torch import Tensor, nn

from senet_mm.deploy import Logits, compile_frozen, deploy, fold, pack
from senet_mm.utils.measure import interleave, peak_memory


def autocast(model: nn.Module, device: str) -> Callable[[Tensor], Tensor]:
    """A channels-last network under bfloat16 autocast."""
    model = model.to(memory_format=torch.channels_last)

    def run(x: Tensor) -> Tensor:
        with torch.autocast(device, torch.bfloat16):
            return model(x)

    return run


def make_variants(network: str, device: str, x: Tensor) -> dict[str, Callable]:
    """Name -> a function that builds a function from images to logits."""
    folder = Path(tempfile.mkdtemp())

    def same(**options: object) -> nn.Module:
        torch.manual_seed(0)
        model = ours(network, **options)
        model.init_weights()
        return model.to(device).eval()

    bf16 = torch.bfloat16
    variants = {
        f'{name} fp32': lambda make=make: make().to(device).eval()
        for name, make in peers(network).items()
    }
    variants |= {
        f'{name} compiled bf16': lambda make=make: compile_frozen(
            Logits(make().to(device).eval(), bf16, channels_last=True), device
        )
        for name, make in peers(network).items()
    }
    variants |= {
        'ours fp32': same,
        'ours autocast bf16 channels-last': lambda: autocast(same(), device),
        'folded fp32 channels-last': lambda: fold(same(), channels_last=True),
        'folded bf16 channels-last': lambda: fold(same(), bf16, True, early=False),
        '+ early squeeze': lambda: fold(same(), bf16, True),
        '+ packed (--to fold)': lambda: pack(fold(same(), bf16, True)),
        'plain network, packed bf16': lambda: pack(fold(same(se=False), bf16, True)),
    }
    for to in ('compile', 'onnx', 'openvino'):
        variants[f'--to {to}'] = lambda to=to: deploy(same(), to, x, folder).run
    return variants


def main() -> None:
    args = make_parser(__doc__.splitlines()[0], batch_size=1, rounds=15).parse_args()
    device = start(args)
    x = torch.randn(max(args.batch_size, 2), 3, args.size, args.size, device=device)
    variants = select(make_variants(args.network, device, x), args.only)
    x = x[: args.batch_size].contiguous()
    with torch.no_grad():
        runs = {name: torch.no_grad()(make()) for name, make in variants.items()}
        timings = interleave({k: lambda run=run: run(x) for k, run in runs.items()}, args.rounds)
        rows = []
        for name, timing in timings.items():
            base = next(iter(timings.values()))
            memory = peak_memory(lambda run=runs[name]: run(x)) / 2**20
            rate = args.batch_size / timing.median
            rows.append([name, timing, base.median / timing.median, rate, f'{memory:.0f}'])
    print_table(['variant', 'median (quartiles)', 'ratio', 'img/s', 'peak MiB'], rows)


if __name__ == '__main__':
    main()
