#!/usr/bin/env python
"""Is a deployed network as fast with a second batch size or number of threads as with the first?

python tools/benchmarks/second_shape.py --rounds 9

Two processes take turns: in one the measured case is the first call, in the other all other cases
were called before it.
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from helpers.options import make_parser, read

if __name__ == '__main__':
    leave_out = 'batch_size', 'threads'  # see CASES
    args = read(make_parser(__doc__, rounds=9, leave_out=leave_out))

import torch
from helpers.common import ours, print_table, start
from helpers.turns import CLOCKS, Result, exit_on_faults, time_in_turns
from torch import Tensor

from senet_mm.cli import reported_errors
from senet_mm.deploy import TARGETS, deploy
from senet_mm.utils.options import check_option

# Images of a batch, CPU threads.
CASES = [(1, 1), (16, 1), (1, 2)]


def build(
    network: str, to: str, size: int, calls: list[tuple[int, int]]
) -> dict[str, Callable[[], Tensor]]:
    """The last of some calls as a function, after the others were made.

    Args:
        network: Its name.
        to: Target of the deployment.
        size: Side of the images.
        calls: Images and threads of each call.
    """
    torch.manual_seed(0)
    x = torch.randn(max(images for images, _ in CASES), 3, size, size)
    with tempfile.TemporaryDirectory() as folder:
        run = deploy(ours(network).eval(), to, x[:2], Path(folder), squeeze='early').run

    def call(images: int, threads: int) -> Tensor:
        torch.set_num_threads(threads)
        return run(x[:images])

    *before, last = calls
    for case in before:
        call(*case)
    return {'call': partial(call, *last)}


def main(args: argparse.Namespace) -> None:
    for name in args.only or ():
        check_option('--only', name, TARGETS)
    start(args)
    rows = []
    done: dict[str, dict[str, Result]] = {}
    for case in CASES:
        others = [other for other in reversed(CASES) if other != case]
        for to in args.only or TARGETS:
            made = partial(build, args.network, to, args.size)
            results = time_in_turns(
                {'first': partial(made, [case]), 'after others': partial(made, [*others, case])},
                dict(call=args.rounds),
                clock=CLOCKS[args.clock],
            )
            done |= {f'--to {to} {case} {name}': result for name, result in results.items()}
            first, after = (result['call'] for result in results.values())
            if fault := first.fault or after.fault:
                rows.append([f'--to {to}', *case, f'failed: {fault}', '', ''])
                continue
            ratio = after.timing.median / first.timing.median
            rows.append([f'--to {to}', *case, first.timing, after.timing, ratio])
    print_table(['', 'images', 'threads', 'first call', 'after others', 'after / first'], rows)
    exit_on_faults(done)


if __name__ == '__main__':
    with reported_errors():
        main(args)
