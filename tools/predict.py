#!/usr/bin/env python
"""Classify images by a checkpoint or an exported network alone.

python tools/predict.py work_dirs/seresnet18_1xb32_folder/best_*.pth data/pictures --topk 3 \
    --format csv > classes.csv

The file says how images are prepared, and names the classes. Results are in the order of the input.
Images that cannot be used are listed on stderr and skipped; the exit code is then 65.
"""

import argparse
import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from senet_mm.cli import (
    SKIPPED,
    add_config_for_checkpoint,
    config_for_checkpoint,
    log_to_stderr,
    reported_errors,
)
from senet_mm.utils.predictions import SUFFIXES, WRITERS
from senet_mm.utils.usage import ToolParser, add_screen_options


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint, or exported network: .pt2, .onnx, .xml')
    parser.add_argument(
        'images', nargs='+', help="files, folders, patterns ('a/*.jpg'), - for a list on stdin"
    )
    add_config_for_checkpoint(parser)
    add_screen_options(parser)
    parser.add_argument('--topk', type=int, default=1, metavar='K', help='number of best classes')
    parser.add_argument(
        '--format', '--results-format', choices=list(WRITERS),
        help='of the results; by default that of the suffix of --out, else table',
    )  # fmt: skip
    parser.add_argument(
        '--out', '--results-file', type=Path, metavar='FILE', help='by default stdout'
    )
    parser.add_argument(
        '-b', '--batch-size', type=int, metavar='N', help="by default that of the config's test"
    )
    parser.add_argument(
        '-j', '--workers', type=int, default=2, metavar='N', help='processes that read images'
    )
    parser.add_argument('--device', help='by default a GPU if there is one')
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument(
        '--class-map', metavar='FILE', help='names of the classes, one a line, for a file without'
    )
    return parser.parse_args()


def choose_format(args: argparse.Namespace) -> str:
    """The format that is given, or that of the file; a table on the screen and devices.

    Raises:
        ValueError: The file cannot be written, neither says the format, or they contradict.
    """
    if args.out is None:
        return args.format or 'table'
    from senet_mm.utils.files import check_writable, is_stream

    try:
        check_writable(args.out)
    except ValueError as error:
        raise ValueError(f'--out {error}') from error
    by_suffix = SUFFIXES.get(args.out.suffix.lower())
    if by_suffix is None and is_stream(args.out):
        by_suffix = args.format or 'table'
    if by_suffix is None and args.format is None:
        raise ValueError(f'--out {args.out}: allowed: {", ".join(SUFFIXES)}, or --format')
    if args.format not in (None, by_suffix or args.format):
        raise ValueError(
            f'--format {args.format} contradicts --out {args.out}; allowed: one of both'
        )
    return args.format or by_suffix


@contextmanager
def open_results(path: Path | None) -> Iterator[TextIO]:
    """The screen, or a file that appears when it is whole; a device is written as it is."""
    from senet_mm.utils.files import output_file

    if path is None:
        yield sys.stdout
        return
    with output_file(path) as file:
        text = io.TextIOWrapper(file, 'utf-8', newline='')
        yield text
        text.flush()
        text.detach()


class Whole:
    """The results of whole images; the others are listed on stderr and counted.

    Args:
        results: Results of all images, in their order.
        total: Number of images.
    """

    def __init__(self, results: Iterable[Mapping[str, Any]], total: int) -> None:
        self.results, self.total, self.skipped = results, total, 0

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        from senet_mm.utils.names import printable
        from senet_mm.utils.progress import track

        for result in track(self.results, 'prediction', self.total, 'images'):
            if 'error' in result:
                self.skipped += 1
                line = f'skipped {printable(result["img_path"])}: {result["error"]}'
                print(line, file=sys.stderr)
            else:
                yield result


def main(args: argparse.Namespace) -> int:
    """Classify; returns the exit code."""
    kind = choose_format(args)

    from senet_mm.apis import Classifier
    from senet_mm.apis.checks import check_not_read, check_one_checkpoint, check_options
    from senet_mm.datasets.custom import read_names
    from senet_mm.datasets.image_paths import find_images
    from senet_mm.engine.speed import use_memory
    from senet_mm.utils.errors import working
    from senet_mm.utils.names import printable

    log_to_stderr()
    use_memory()
    check_one_checkpoint(args.checkpoint, args.images)
    check_options(args.checkpoint, args.config, args.device, args.amp)
    images = find_images(args.images, sys.stdin)
    if args.out:
        check_not_read(args.out, [args.checkpoint, args.config, args.class_map, *images])
    file = args.class_map
    names = None if file is None else read_names(file, f'--class-map {printable(file)}')
    config = config_for_checkpoint(args)
    classifier = Classifier(
        args.checkpoint, config, args.device, args.batch_size, args.workers, args.amp, names
    )  # fmt: skip
    classifier.check_topk(args.topk)
    if classifier.classes is None:
        print(f'{args.checkpoint} has no names of classes: numbers are printed', file=sys.stderr)
    whole = Whole(classifier.stream(images, args.topk), len(images))
    with working(), open_results(args.out) as file:
        WRITERS[kind](iter(whole), file)
    if whole.skipped:
        print(f'{whole.skipped} of {len(images)} images were skipped', file=sys.stderr)
    return SKIPPED if whole.skipped else 0


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        sys.exit(main(args))
