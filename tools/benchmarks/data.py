#!/usr/bin/env python
"""Measure the loading and augmentation of images, against mmpretrain, torchvision and timm.

OMP_NUM_THREADS=1 python tools/benchmarks/data.py

The set is made of photographs that come with scikit-image and scikit-learn, of ImageNet's usual
size (500 x 375) and bytes per pixel (0.6). All contestants take turns within a round. Ratios are
per round, to mmpretrain with the same augmentation; what is printed is the median, with the
smallest and the largest.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import contestants

from senet_mm.utils.cli import reported_errors

BASELINE = 'mmpretrain, this augmentation'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=64, help='images of the set')
    parser.add_argument('--rounds', type=int, default=9, help='how often all are measured')
    parser.add_argument('--workers', type=int, default=2, help='workers of the loaders')
    parser.add_argument('--batch', type=int, default=32, help='batch size of the loaders')
    return parser.parse_args()


def cpu_time(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def wall_time(work: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(
    works: dict[str, Callable[[], object]], rounds: int, clock: Callable = cpu_time
) -> dict[str, list[float]]:
    """Seconds of each work in each round, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for i in range(rounds + 1):
        for name, work in works.items():
            seconds = clock(work)
            if i:
                times[name].append(seconds)
    return times


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
    print(contestants.describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        contestants.make_set(root, args.images)
        files = contestants.describe_set(root)
        print(f'{args.images} images, {files}')
        shards = contestants.make_shards(root)

        works = contestants.get_works(root, shards, args.batch)
        times = measure(works, args.rounds)
        report('CPU time of one core, batch included', times, args.images, BASELINE)

        stages = contestants.get_stages(root)
        report('Stages', measure(stages, args.rounds), args.images, 'LoadImage')

        loaders = contestants.get_loaders(root, shards, args.workers, args.batch)
        works = {name: loader.run for name, loader in loaders.items()}
        times = measure(works, args.rounds)
        epoch = args.images * contestants.REPEATS
        report('CPU time of the main process, receiving batches', times, epoch, BASELINE)
        times = measure(works, args.rounds, wall_time)
        title = f'A whole epoch without a model, {args.workers} workers, wall time'
        report(title, times, epoch, BASELINE)
    print(f'\n{contestants.time_on_device()}')


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        main(args)
