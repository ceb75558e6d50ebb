#!/usr/bin/env python
"""Measure the loading and augmentation of images, against mmpretrain, torchvision and timm.

OMP_NUM_THREADS=1 python tools/benchmarks/data.py

The images are crops of photographs that come with scikit-image and scikit-learn, with ImageNet's
usual size (500 x 375) and bytes per pixel (0.6). All pipelines take turns within a round. Ratios
are per round, relative to mmpretrain with the same augmentation. Prints the median, the smallest
and the largest.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from senet_mm.cli import reported_errors
from senet_mm.utils.usage import ToolParser, check_leasts

BASELINE = 'mmpretrain, this augmentation'


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--images', type=int, default=64, help='number of images')
    parser.add_argument('--rounds', type=int, default=9, help='number of rounds')
    parser.add_argument('--workers', type=int, default=2, help='workers of the loaders')
    parser.add_argument('--batch', type=int, default=32, help='batch size of the loaders')
    return parser.parse_args()


def measure(works: dict[str, Callable[[], object]], rounds: int) -> tuple[dict, dict]:
    """Seconds of each work in each round, after one round that does not count.

    Returns:
        CPU time of this process, and wall time, each a list by the name of the work.
    """
    cpu: dict[str, list[float]] = {name: [] for name in works}
    wall: dict[str, list[float]] = {name: [] for name in works}
    for i in range(rounds + 1):
        for name, work in works.items():
            starts = time.process_time(), time.perf_counter()
            work()
            ends = time.process_time(), time.perf_counter()
            if i:
                cpu[name].append(ends[0] - starts[0])
                wall[name].append(ends[1] - starts[1])
    return cpu, wall


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median (smallest to largest)."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f'{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})'


def report(title: str, times: dict[str, list[float]], images: int, baseline: str) -> None:
    """Print a table: microseconds per image, images per second, ratio to the baseline."""
    print(
        f'\n{title}\n\n| | µs / image | images / s | times {baseline} |\n| --- | --- | --- | --- |'
    )
    for name, seconds in times.items():
        each = [1e6 * value / images for value in seconds]
        rate = [1e6 / value for value in each]
        ratio = [a / b for a, b in zip(times[baseline], seconds, strict=True)]
        print(f'| {name} | {spread(each, 0)} | {statistics.median(rate):.0f} | {spread(ratio)} |')


def main(args: argparse.Namespace) -> None:
    check_leasts(args, dict(images=1, rounds=1, workers=0, batch=1))
    from helpers import contestants

    print(contestants.describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        contestants.make_set(root, args.images)
        files = contestants.describe_set(root)
        print(f'{args.images} images, {files}')
        shards = contestants.make_shards(root)

        works = contestants.get_works(root, shards, args.batch)
        cpu, _ = measure(works, args.rounds)
        report('CPU time of one core, batch included', cpu, args.images, BASELINE)

        cpu, _ = measure(contestants.get_stages(root), args.rounds)
        report('Stages', cpu, args.images, 'LoadImage')

        loaders = contestants.get_loaders(root, shards, args.workers, args.batch)
        cpu, wall = measure({name: one.run for name, one in loaders.items()}, args.rounds)
        epoch = args.images * contestants.REPEATS
        title = f'CPU time of the main process, receiving batches of {args.batch}'
        report(title, cpu, epoch, BASELINE)
        title = f'A whole epoch without a model, {args.workers} workers, wall time'
        report(title, wall, epoch, BASELINE)
    print(f'\n{contestants.time_on_device()}')


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        main(args)
