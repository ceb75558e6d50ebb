#!/usr/bin/env python
"""Decode every image of a folder or of packed shards strictly and list those that are damaged.

python tools/dataset_tools/verify.py data/imagenet

Runs in parallel. An interrupted run is resumed (--log); damaged images are checked again. The last
line gives the number of damaged images; the exit code is 1 if there are any.
"""

import argparse
import re
import sys
from multiprocessing import Pool
from pathlib import Path

from senet_mm.cli import reported_errors
from senet_mm.utils.usage import ToolParser, add_screen_options, check_leasts

# A data set's own lists of images, labels, classes: in the folder itself or in meta/.
LISTS = re.compile(r'(meta/)?[^/]+\.txt')


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument(
        'root', type=Path, help='folder of images or shards; subfolders are included'
    )
    parser.add_argument(
        '--out',
        type=Path,
        help='list of damaged images, by default work_dirs/verify/ROOT/damaged.txt',
    )
    parser.add_argument(
        '--log',
        type=Path,
        help='record for resuming, by default work_dirs/verify/ROOT/verified.txt',
    )
    parser.add_argument('--workers', type=int, default=8, help='processes')
    add_screen_options(parser)
    return parser.parse_args()


def verify(image: dict) -> tuple[str, str]:
    """The name of an image and its fault, or an empty string."""
    from senet_mm.datasets import LoadImage
    from senet_mm.datasets.images.decoding import decode_strictly

    try:
        decode_strictly(LoadImage.read(image))
    except ValueError as error:
        return image['name'], ' '.join(str(error).split())
    except Exception as error:  # one image of a million must not end the run
        return image['name'], f'{type(error).__name__}: {" ".join(str(error).split())}'
    return image['name'], ''


def find_images(root: Path) -> dict[str, dict]:
    """Images below a folder that ``LoadImage`` reads, by name: in files and in packed shards.

    Prints which files are left out.
    """
    from senet_mm.datasets.images.decoding import EXTENSIONS
    from senet_mm.datasets.listing import describe_left_out, list_files
    from senet_mm.datasets.shard_index import find_indexes

    if not root.is_dir():
        raise FileNotFoundError(f'folder {root} does not exist')
    names = sorted(list_files(str(root)))
    indexes = find_indexes(names)
    images = [name for name in names if name.lower().endswith(EXTENSIONS)]
    if not images and not indexes:
        raise ValueError(
            f'{root} has no image; allowed: {", ".join(EXTENSIONS)}, or shards of pack.py'
        )
    lists = set(filter(LISTS.fullmatch, names))
    shards = [name for index in indexes for name in names if is_of(name, index)]
    if left_out := describe_left_out({*names} - {*images} - {*shards} - lists):
        print(left_out)
    found = {name: dict(name=name, img_path=str(root / name)) for name in images}
    for index in indexes:
        found.update(list_packed(root, index))
    return found


def is_of(name: str, index: str) -> bool:
    """Whether a file's name is that of a shard, the classes or a list of a packed split."""
    return name == index or name.startswith(f'{index.removesuffix(".txt")}-')


def list_packed(root: Path, index: str) -> dict[str, dict]:
    """The images of a packed split by ``SHARD:NAME``, the shard below ``root``."""
    from senet_mm.datasets.shard_index import read_index
    from senet_mm.datasets.shards import check_places

    path = root / index
    data_list = read_index(path)
    check_places(data_list, path.parent)
    names = [info['img_path'].removeprefix(f'{root}/') for info in data_list]
    return {name: dict(info, name=name) for name, info in zip(names, data_list, strict=True)}


def read_log(log: Path) -> dict[str, str]:
    """Results of an earlier run, by the path below the root; a truncated last line is removed."""
    from senet_mm.utils.names import lines_of, parse_name

    data = log.read_bytes() if log.exists() else b''
    whole = data[: data.rfind(b'\n') + 1]
    if whole != data:
        log.write_bytes(whole)
    pairs = [line.partition('\t') for line in lines_of(log)] if whole else []
    return {parse_name(name): reason for name, tab, reason in pairs if tab}


def run(images: list[dict], args: argparse.Namespace, results: dict[str, str]) -> None:
    """Verify the images that are not in ``results``; each result is logged at once."""
    from senet_mm.utils.names import printable
    from senet_mm.utils.progress import track

    with Pool(args.workers) as pool, args.log.open('a', buffering=1, encoding='utf-8') as log:
        verified = pool.imap_unordered(verify, images, chunksize=16)
        for name, reason in track(verified, 'verifying', len(images), 'images'):
            results[name] = reason
            log.write(f'{printable(name)}\t{reason}\n')


def main(args: argparse.Namespace) -> int:
    from senet_mm.utils.files import check_writable, output_file
    from senet_mm.utils.names import printable

    check_leasts(args, dict(workers=1))
    images = find_images(args.root)
    # The data may be read-only. A folder is that of its whole path: many are called `train`.
    folder = Path('work_dirs/verify', *args.root.resolve().parts[1:])
    if args.out is None or args.log is None:
        folder.mkdir(parents=True, exist_ok=True)
    args.out = args.out or folder / 'damaged.txt'
    args.log = args.log or folder / 'verified.txt'
    results = read_log(args.log)
    for path in (args.out, args.log):
        check_writable(path)
    # Damaged ones are looked at again: they may have been mended.
    names = {name for name, reason in results.items() if not reason}
    left = [image for name, image in images.items() if name not in names]
    if done := len(images) - len(left):
        print(f'{done} of {len(images)} images were verified before ({args.log})')
    if left:
        run(left, args, results)
    results = {name: results[name] for name in images}
    damaged = [f'{printable(name)}: {reason}\n' for name, reason in results.items() if reason]
    with output_file(args.out) as file:
        file.write(''.join(damaged).encode())
    print(f'{len(damaged)} of {len(images)} images are damaged, listed in {args.out}')
    return bool(damaged)


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        sys.exit(main(args))
