#!/usr/bin/env python
"""Decode every image of a folder strictly and list those that are damaged.

python tools/dataset_tools/verify.py data/imagenet

In parallel; a run that was interrupted goes on where it was (--log), and damaged images are looked
at again. The last line says how many are damaged; the exit code is 1 if any is.
"""

import argparse
import re
import sys
from multiprocessing import Pool
from pathlib import Path

from senet_mm.utils.cli import reported_errors

# A data set's own lists of images, labels, classes: in the folder itself or in meta/.
LISTS = re.compile(r'(meta/)?[^/]+\.txt')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('root', type=Path, help='folder of images, with all folders below it')
    parser.add_argument(
        '--out', type=Path, help='the list to write, by default work_dirs/verify/ROOT/damaged.txt'
    )
    parser.add_argument(
        '--log', type=Path, help='what is done, by default work_dirs/verify/ROOT/verified.txt'
    )
    parser.add_argument('--workers', type=int, default=8, help='processes')
    return parser.parse_args()


def verify(path: Path) -> tuple[Path, str]:
    """A file and what is wrong with it, or an empty string."""
    from senet_mm.datasets.decoding import read_file
    from senet_mm.datasets.packing import decode_strictly

    try:
        decode_strictly(read_file(path))
    except ValueError as error:
        return path, ' '.join(str(error).split())
    except Exception as error:  # one image of a million must not end the run
        return path, f'{type(error).__name__}: {" ".join(str(error).split())}'
    return path, ''


def find_images(root: Path) -> list[Path]:
    """The files below a folder that data sets take for images; says what is left out."""
    from senet_mm.datasets.decoding import EXTENSIONS
    from senet_mm.datasets.listing import describe_left_out, list_files

    if not root.is_dir():
        raise FileNotFoundError(f'folder {root} does not exist')
    names = sorted(list_files(str(root)))
    images = [name for name in names if name.lower().endswith(EXTENSIONS)]
    if not images:
        raise ValueError(f'{root} has no image; allowed: {", ".join(EXTENSIONS)}')
    lists = set(filter(LISTS.fullmatch, names))
    if left_out := describe_left_out({*names} - {*images} - lists):
        print(left_out)
    return [root / name for name in images]


def read_log(log: Path) -> dict[str, str]:
    """What an earlier run found, by the path below the root; a line cut off is taken away."""
    from senet_mm.datasets.names import lines_of, parse_name

    data = log.read_bytes() if log.exists() else b''
    whole = data[: data.rfind(b'\n') + 1]
    if whole != data:
        log.write_bytes(whole)
    pairs = [line.partition('\t') for line in lines_of(log)] if whole else []
    return {parse_name(name): reason for name, tab, reason in pairs if tab}


def run(paths: list[Path], args: argparse.Namespace, results: dict[str, str]) -> None:
    """Verify what is not in ``results``; every result is written down at once."""
    from mmengine import ProgressBar

    from senet_mm.datasets.names import printable

    bar = ProgressBar(len(paths))
    with Pool(args.workers) as pool, args.log.open('a', buffering=1, encoding='utf-8') as log:
        for path, reason in pool.imap_unordered(verify, paths, chunksize=16):
            name = str(path.relative_to(args.root))
            results[name] = reason
            log.write(f'{printable(name)}\t{reason}\n')
            bar.update()
    print()


def main(args: argparse.Namespace) -> int:
    from senet_mm.datasets.names import printable
    from senet_mm.utils.files import atomic_file

    paths = find_images(args.root)
    # The data may be read-only. A folder is that of its whole path: many are called `train`.
    folder = Path('work_dirs/verify', *args.root.resolve().parts[1:])
    if args.out is None or args.log is None:
        folder.mkdir(parents=True, exist_ok=True)
    args.out = args.out or folder / 'damaged.txt'
    args.log = args.log or folder / 'verified.txt'
    results = read_log(args.log)
    for path in (args.out, args.log):
        if not path.absolute().parent.is_dir():
            raise FileNotFoundError(f'folder {path.parent} does not exist')
    # Damaged ones are looked at again: they may have been mended.
    names = {name for name, reason in results.items() if not reason}
    left = [path for path in paths if str(path.relative_to(args.root)) not in names]
    if done := len(paths) - len(left):
        print(f'{done} of {len(paths)} images were verified before ({args.log})')
    if left:
        run(left, args, results)
    results = {name: results[name] for name in (str(path.relative_to(args.root)) for path in paths)}
    damaged = [f'{printable(name)}: {reason}\n' for name, reason in results.items() if reason]
    with atomic_file(args.out) as file:
        file.write(''.join(damaged).encode())
    print(f'{len(damaged)} of {len(paths)} images are damaged, listed in {args.out}')
    return bool(damaged)


if __name__ == '__main__':
    with reported_errors():
        sys.exit(main(parse_args()))
