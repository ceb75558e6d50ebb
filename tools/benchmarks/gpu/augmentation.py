#!/usr/bin/env python
"""Compare the augmentation on the device with that on the CPU, and time it.

python tools/benchmarks/gpu/augmentation.py --out augmentation.json [--small]
"""

from stage_options import parse_stage_args

if __name__ == '__main__':
    args = parse_stage_args(__doc__)

from functools import partial

import networks  # puts tools/benchmarks on the path
import torch
from helpers.batches import augmented_batch, preprocessor
from parts import Rows, device, run_stage, speed

from senet_mm.utils.measure import interleave

assert networks


def settings(small: bool) -> tuple[int, int]:
    """Images of a batch, and their side."""
    return (2, 32) if small else (256, 224)


def correct(small: bool) -> dict:
    """Whole grey levels by which pixels differ: the largest one, and how many pixels do.

    Both interpolate in float32 and round to whole levels, so a pixel near the middle between two
    may differ by one. The place in the image has an error of 3e-5 pixels, and neighbours differ by
    100 levels: this concerns less than a hundredth of the pixels.
    """
    count, size = settings(small)
    results = []
    for where in ('cpu', device()):
        batch = augmented_batch(min(count, 32), size, where)
        results.append(preprocessor().to(where)(batch, training=True)['inputs'].cpu().double())
    apart = (results[0] - results[1]).abs()
    largest, share = apart.max().item(), (apart > 0.5).double().mean().item()
    right = largest < 1.5 and share < 1e-2
    return dict(largest=largest, share=share, error='' if right else 'more than rounding explains')


def time(small: bool) -> dict:
    """Milliseconds of a batch, images/s: rotation, mirror, jitter, normalisation."""
    count, size = settings(small)
    module, batch = preprocessor().to(device()), augmented_batch(count, size, device())
    timing = interleave({'': lambda: module(batch, training=True)}, 2 if small else 30)['']
    return speed(timing, count)


def rows(small: bool) -> Rows:
    return {'equal to the CPU': partial(correct, small), 'batched module': partial(time, small)}


if __name__ == '__main__':
    torch.manual_seed(0)
    run_stage(args, rows)
