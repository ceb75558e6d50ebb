#!/usr/bin/env python
"""Ask the demo many questions at once: answers mixed up, time of an answer, memory.

python tools/benchmarks/demo.py work_dirs/seresnet8_1xb64_digits/best_*.pth data/pictures

Each client asks about one picture after the other. An answer is right if all but its time is as for
the picture when it is asked alone: scores, what the network saw, where it looked, gates.
"""

import argparse
import ctypes
import gc
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from senet_mm.cli import reported_errors
from senet_mm.utils.usage import ToolParser, check_leasts

if TYPE_CHECKING:
    from senet_mm.demo import Page

MIB = 2**20


class Answers(NamedTuple):
    """What came out.

    Attributes:
        wrong: Pictures with another answer than alone.
        seconds: Time of each answer.
        memory: Resident memory of server and clients before and after, bytes.
    """

    wrong: list[str]
    seconds: list[float]
    memory: tuple[int, int]


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('checkpoint', help='weights')
    parser.add_argument('images', nargs='+', help='files, folders or patterns')
    parser.add_argument('--requests', type=int, default=200, help='number of questions')
    parser.add_argument('--clients', type=int, default=8, help='that ask at the same time')
    return parser.parse_args()


def read_memory() -> int:
    """Resident memory of this process, bytes."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * 4096


def ask(page: 'Page', address: str, images: Sequence[str], requests: int, clients: int) -> Answers:
    """Ask a page at its address from several clients at a time."""
    from gradio_client import Client, handle_file

    expected = {path: page.ask(path, 'as trained')[1:] for path in images}
    several = [Client(address, verbose=False) for _ in range(clients)]

    def one(number: int) -> tuple[str, bool, float]:
        path = images[number % len(images)]
        start = time.perf_counter()
        client = several[number % clients]
        _, *found = client.predict(handle_file(path), 'as trained', api_name='/ask')
        seconds = time.perf_counter() - start
        return path, tuple(found) == expected[path], seconds

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(one, range(min(requests, 2 * clients))))  # fills caches
        before = read_memory()
        answers = list(pool.map(one, range(requests)))
    wrong = [path for path, right, _ in answers if not right]
    return Answers(wrong, [seconds for *_, seconds in answers], (before, read_memory()))


def main(args: argparse.Namespace) -> int:
    """Ask; returns the exit code, 1 for a wrong answer."""
    check_leasts(args, dict(requests=1, clients=1))

    from senet_mm.apis.explainer import Explainer
    from senet_mm.datasets.image_paths import find_images
    from senet_mm.demo import Page, served

    images = find_images(args.images)
    page = Page(Explainer(args.checkpoint), 'benchmark', '')
    with served(page, '127.0.0.1', None, 20_000_000) as address:
        answers = ask(page, address, images, args.requests, args.clients)
    low, middle, high = statistics.quantiles(answers.seconds, n=4)
    before, after = (size / MIB for size in answers.memory)
    print(
        f'{args.requests} questions of {args.clients} clients, {len(answers.wrong)} wrong answers'
    )
    print(f'an answer: {middle:.2f} s ({low:.2f}-{high:.2f})')
    print(f'resident memory: {before:.0f} MiB before, {after:.0f} MiB after')
    return int(bool(answers.wrong))


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        sys.exit(main(args))
