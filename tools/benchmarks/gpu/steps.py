#!/usr/bin/env python
"""Time training steps of SE-ResNet-50 and ResNet-50: bfloat16, channels last, with CUDA graphs.

python tools/benchmarks/gpu/steps.py --out steps.json [--small]
"""

from collections.abc import Callable
from functools import partial

from stage_options import parse_stage_args

if __name__ == '__main__':
    args = parse_stage_args(__doc__)

import networks  # puts tools/benchmarks on the path
import torch
from graphs import one_stream, time_graph
from parts import Rows, device, run_stage, speed
from torch import nn
from train import Step

from senet_mm.engine.speed import compile_regions, use_tf32
from senet_mm.utils.measure import interleave, peak_memory

# Rows without and with a compiler: the network's maker by name, and ours with its options.
EAGER = {
    'reference': dict(implementation='reference'),
    'fused': dict(implementation='fused'),
    'lean': dict(implementation='fused', lean=True),
    'plain reference': dict(implementation='reference', se=False),
    'plain fused': dict(implementation='fused', se=False),
}
COMPILED = {
    'algebra compiled': dict(implementation='algebra'),
    'plain compiled': dict(implementation='algebra', se=False),
}


def settings(small: bool) -> dict:
    """Batch, image side, steps between two looks at the clock, rounds."""
    return (
        dict(batch=2, size=16, steps=1, rounds=2)
        if small
        else dict(batch=256, size=224, steps=6, rounds=5)
    )


def measure(make: Callable[[], nn.Module], compiled: bool, small: bool) -> dict:
    """Figures of one network: ms, images/s, memory in GB; the same as a CUDA graph."""
    options, where = settings(small), device()
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    use_tf32(True)
    x = torch.randn(options['batch'], 3, options['size'], options['size'], device=where)
    x = x.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 1000, (options['batch'],), device=where)
    with one_stream():
        step = Step(make, where, True, True)
        kept = None
        if compiled:
            compile_regions(step.model, **(dict(backend='aot_eager') if small else {}))
        else:
            kept = step.kept(x, labels) / 1e9
        first = step.loss(x, labels).item()
        result = dict(kept=kept, first_loss=first, **_time(lambda: step(x, labels), options))
        result['peak'] = peak_memory(lambda: step(x, labels)) / 1e9
        result['last_loss'] = last = step.loss(x, labels).item()
        result |= time_graph(lambda: step(x, labels), partial(_time, options=options), result)
        if 'graph_ms' in result:  # else CUDA may be of no more use
            result['graph_loss'] = step.loss(x, labels).item()
    return result | judge(first, last, result.get('graph_loss'))


def judge(first: float, last: float, after: float | None) -> dict:
    """What is wrong with the losses before all steps, and after those without and with a graph."""
    if not last < 2 * first:  # NaN is not, either
        return dict(error=f'the loss went from {first:.3f} to {last:.3f}')
    if after is not None and not (after < 2 * first and after != last):
        return dict(error=f'with the graph the loss went from {last:.3f} to {after:.3f}')
    return {}


def _time(step: Callable[[], object], options: dict) -> dict:
    """Milliseconds of a step with quartiles, and images per second, without a wait between."""
    count = options['steps']

    def several() -> None:
        for _ in range(count):
            step()

    timing = interleave({'': several}, options['rounds'], warmup=1)['']
    return speed(timing, options['batch'], count)


def rows(small: bool) -> Rows:
    """All rows; those that take a compiler come last."""
    others = networks.peers(small)
    eager = {**others, **{k: partial(networks.ours, small, **v) for k, v in EAGER.items()}}
    eager['timm again'] = others['timm']  # the spread between two runs of one row
    compiled = {k: partial(networks.ours, small, **v) for k, v in COMPILED.items()}
    compiled |= {f'{name} compiled': others[name] for name in ('timm', 'mmpretrain')}
    return {
        **{name: partial(measure, make, False, small) for name, make in eager.items()},
        **{name: partial(measure, make, True, small) for name, make in compiled.items()},
    }


if __name__ == '__main__':
    run_stage(args, rows)
