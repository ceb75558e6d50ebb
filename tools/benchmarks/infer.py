#!/usr/bin/env python
"""Time inference of this project, mmpretrain, timm and the plain network, in turns.

python tools/benchmarks/infer.py --network seresnet50 --batch-size 1 16 --rounds 15 5

Each variant has a process of its own. Rows of one form have the same network, precision and
compiler or library; "peer" is the speed of a row of ours relative to the fastest such row of
mmpretrain and timm. Rows in brackets are other networks.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from helpers.options import make_parser, read

if __name__ == '__main__':
    args = read(make_parser(__doc__, batch_size=[1], rounds=[15]))

import torch
from helpers.common import (
    Row,
    compare_with_peer,
    others,
    ours,
    peers,
    print_table,
    select,
    start,
)
from helpers.turns import CLOCKS, Result, exit_on_faults, time_in_turns
from torch import Tensor, nn

from senet_mm.cli import reported_errors
from senet_mm.deploy import Logits, compile_frozen, deploy, fold, pack
from senet_mm.deploy.int8 import ENGINES
from senet_mm.utils.measure import peak_memory

BF16 = torch.bfloat16
Run = Callable[[Tensor], Tensor]
# From a network and images (N, C, H, W) for examples to a function.
Form = Callable[[nn.Module, Tensor], Run]


class Variant(NamedTuple):
    """A row of the table.

    Attributes:
        row: What it is compared with.
        make: Builds the network.
        put: Brings it into its form.
        by_size: Whether that depends on the batch size.
    """

    row: Row
    make: Callable[[], nn.Module]
    put: Form
    by_size: bool = False


def autocast(model: nn.Module, x: Tensor) -> Run:
    """A channels-last network under bfloat16 autocast."""
    model = model.to(memory_format=torch.channels_last)

    def run(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, BF16):
            return model(x)

    return run


def compiled(model: nn.Module, x: Tensor) -> Run:
    """Compiled by the function, and with the options, that ``--to compile`` has."""
    return compile_frozen(Logits(model, BF16, channels_last=True), x.device.type)


def deployed(model: nn.Module, x: Tensor, to: str) -> Run:
    """As ``tools/deploy.py`` does for such batches, for networks of others as well."""
    with tempfile.TemporaryDirectory() as folder:
        done = deploy(model, to, x, Path(folder))
    print(f'{to}: {done.how}', file=sys.stderr)
    return done.run


def quantised(model: nn.Module, x: Tensor, to: str) -> Run:
    """By the first method of a library; the ranges are those of random images."""
    engine = ENGINES[to]
    method = next(iter(engine.methods.values()))
    return engine.start(method(engine.export(model, x[:2]), x))[0]


FORMS: dict[str, Form] = {
    'fp32': lambda model, x: model,
    'autocast bf16': autocast,
    'bf16': lambda model, x: Logits(model, BF16, channels_last=True),
    'compiled bf16': compiled,
}
for _to in ENGINES:
    FORMS |= {_to: partial(deployed, to=_to), f'{_to} int8': partial(quantised, to=_to)}

# Rows of ours: form, how it gets there.
OURS: dict[str, tuple[str, Form]] = {
    'ours fp32': ('fp32', FORMS['fp32']),
    'ours autocast bf16': ('autocast bf16', autocast),
    'folded fp32 channels-last': ('fp32', lambda model, x: fold(model, channels_last=True)),
    'folded bf16': ('bf16', lambda model, x: fold(model, BF16, True, early=False)),
    '+ early squeeze': ('bf16', lambda model, x: fold(model, BF16, True)),
    '+ packed (--to fold)': ('bf16', partial(deployed, to='fold')),
    '--to compile': ('compiled bf16', partial(deployed, to='compile')),
}
for _to in ENGINES:
    OURS[f'--to {_to}'] = _to, FORMS[_to]
    OURS[f'--to {_to} with --int8'] = f'{_to} int8', FORMS[f'{_to} int8']


def make_variants(network: str) -> dict[str, Variant]:
    """The rows by name; those of other networks, which have no form, in brackets."""

    def same(**options: object) -> nn.Module:
        model = ours(network, **options)
        model.init_weights()
        return model

    variants = {
        f'{name} {form}': Variant(Row(form, False), make, put)
        for form, put in FORMS.items()
        for name, make in peers(network).items()
    }
    variants |= {
        f'({name} {form})': Variant(Row('', False), make, FORMS[form])
        for form in ('fp32', 'compiled bf16')
        for name, make in others(network).items()
    }
    variants |= {
        name: Variant(Row(form, True), same, put, by_size='--to' in name and 'int8' not in name)
        for name, (form, put) in OURS.items()
    }
    variants['(plain network, packed bf16)'] = Variant(
        Row('', True), partial(same, se=False), lambda model, x: pack(fold(model, BF16, True))
    )
    return variants


def build(variant: Variant, shape: tuple[int, ...], sizes: list[int], device: str) -> dict:
    """Functions without arguments by batch size; images are (N, C, H, W)."""
    torch.manual_seed(0)
    x = torch.randn(shape, device=device)
    with torch.no_grad():
        model = variant.make().to(device).eval()
        if variant.by_size:
            runs = {size: variant.put(model, x[:size].contiguous()) for size in sizes}
        else:
            runs = dict.fromkeys(sizes, variant.put(model, x))
    return {
        str(size): partial(torch.no_grad()(run), x[:size].contiguous())
        for size, run in runs.items()
    }


def print_case(variants: dict[str, Variant], results: dict[str, Result], size: int) -> None:
    """The table of a batch size."""
    times = {name: r.timing.median for name, r in results.items() if r.timing}
    first = next(iter(times.values()), 0)
    compared = {name: variant.row for name, variant in variants.items()}
    rows = []
    for name, (timing, memory, fault) in results.items():
        if timing is None:
            rows.append([name, f'failed: {fault}', '', '', '', ''])
            continue
        peer = compare_with_peer(name, times, compared)
        rate = size / timing.median
        rows.append([name, timing, first / timing.median, peer, rate, f'{memory / 2**20:.0f}'])
    print(f'\nBatch {size}:\n')
    print_table(['variant', 'median (quartiles)', 'ratio', 'peer', 'img/s', 'peak MiB'], rows)


def main(args: argparse.Namespace) -> None:
    device = start(args)
    shape = max(*args.batch_size, 2), 3, args.size, args.size
    variants = select(make_variants(args.network), args.only)
    makes = {
        name: partial(build, variant, shape, args.batch_size, device)
        for name, variant in variants.items()
    }
    numbers = args.rounds * (len(args.batch_size) if len(args.rounds) == 1 else 1)
    rounds = dict(zip(map(str, args.batch_size), numbers, strict=True))
    results = time_in_turns(makes, rounds, peak_memory, clock=CLOCKS[args.clock])
    for size in args.batch_size:
        print_case(variants, {name: r[str(size)] for name, r in results.items()}, size)
    exit_on_faults(results)


if __name__ == '__main__':
    with reported_errors():
        main(args)
