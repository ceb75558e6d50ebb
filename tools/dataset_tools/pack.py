#!/usr/bin/env python
"""Pack ImageNet into indexed tar shards, readable by tar, webdataset and ShardedImageNet.

python tools/dataset_tools/pack.py data/imagenet data/imagenet-288 --short-side 288 --quality 90

SRC holds train/ and val/ as for the recipes. Images are written in random order. Baseline JPEGs are
copied unchanged; progressive, CMYK and other formats are converted to baseline RGB JPEGs.
--short-side makes larger images smaller; the effect on a network's accuracy is not known.
--unchanged copies all files as they are, and keeps 16 bits and alpha, which a JPEG has not. Damaged
images are left out and listed in OUT/SPLIT-damaged.txt.

The class names in OUT/SPLIT-classes.json are those of the folders of SRC/train. If
SRC/meta/SPLIT.txt gives the labels, --classes gives the names.
"""

import argparse
import io
import json
import os
import tarfile
from collections.abc import Iterator
from functools import partial
from multiprocessing import Pool
from pathlib import Path

from senet_mm.cli import reported_errors
from senet_mm.utils.files import check_empty
from senet_mm.utils.usage import ToolParser, add_screen_options, check_leasts


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('src', type=Path, help='folder that holds train/ and val/')
    parser.add_argument('out', type=Path, help='folder to write, must not exist or be empty')
    parser.add_argument('--splits', nargs='+', default=['train', 'val'], help='what to pack')
    parser.add_argument(
        '--classes',
        metavar='FILE',
        help='text file with the class names in the order of the labels',
    )
    parser.add_argument(
        '--short-side', type=int, help='resize larger images to this short side, in pixels'
    )
    parser.add_argument('--quality', type=int, default=90, help='quality of converted JPEGs')
    parser.add_argument(
        '--unchanged',
        action='store_true',
        help='copy every file as it is: 16 bits, alpha, PNG, ...',
    )
    parser.add_argument('--shard-size', type=int, default=256, help='size of a shard in MiB')
    parser.add_argument('--workers', type=int, default=8, help='processes')
    parser.add_argument('--seed', type=int, default=0, help='seed of the order')
    add_screen_options(parser)
    return parser.parse_args()


def convert(
    info: dict, short_side: int | None, quality: int, unchanged: bool
) -> tuple[dict, bytes, str, bool]:
    """Convert an image.

    Returns:
        Its info, its JPEG or its file, the reason if it is damaged, and whether the JPEG lacks what
        the file has.
    """
    from senet_mm.datasets.images.jpeg import loses_samples, read_whole, transcode

    path = info['img_path']
    try:
        if unchanged:
            return info, read_whole(path), '', False
        return info, transcode(path, short_side, quality), '', loses_samples(path)
    except ValueError as error:
        return info, b'', str(error), False
    except Exception as error:  # one image of a million must not end the run
        return info, b'', f'{type(error).__name__}: {" ".join(str(error).split())}', False


class Shards:
    """Writes members to tar files of a limited size and records their offsets.

    Args:
        folder: Where the shards are written.
        split: Prefix of their names.
        limit: Bytes after which the next shard begins.
    """

    def __init__(self, folder: Path, split: str, limit: int) -> None:
        self.folder, self.split, self.limit = folder, split, limit
        self.count = 0
        self.tar: tarfile.TarFile | None = None

    def add(self, name: str, data: bytes) -> tuple[str, int]:
        """Write a member; returns its shard and the offset of its bytes there."""
        info = tarfile.TarInfo(name)
        info.size = len(data)
        # A GNU header of a short name is one block; the data follow.
        offset = self.tar.offset + tarfile.BLOCKSIZE
        self.tar.addfile(info, io.BytesIO(data))
        return Path(self.tar.name).name, offset

    def begin_sample(self) -> None:
        """Begin the next shard if the last one is full; the members of a sample stay together."""
        if self.tar is None or self.tar.offset >= self.limit:
            self.close()
            path = self.folder / f'{self.split}-{self.count:05d}.tar'
            self.tar = tarfile.TarFile(path, 'w', format=tarfile.GNU_FORMAT)
            self.count += 1

    def close(self) -> None:
        """End the last shard."""
        if self.tar is not None:
            self.tar.close()


def find_classes(args: argparse.Namespace) -> tuple[str, ...] | None:
    """Class names of all splits in the order of the labels; None if they are not known."""
    from senet_mm.datasets import ImageNet
    from senet_mm.datasets.custom import read_names
    from senet_mm.datasets.listing import find_folders
    from senet_mm.datasets.shards import is_imagenet
    from senet_mm.utils.names import printable

    if args.classes:
        return read_names(args.classes, f'--classes {printable(args.classes)}')
    training = args.src / 'train'  # all splits have its labels, by name
    root = training if training.is_dir() else args.src / args.splits[0]
    folders = find_folders(str(root))[0] if root.is_dir() else []
    annotated = [split for split in args.splits if (args.src / f'meta/{split}.txt').exists()]
    if not annotated or is_imagenet(folders, ImageNet.METAINFO['classes']):
        return tuple(folders)
    if len(annotated) == len(args.splits):
        print(
            f'no names of classes are packed: the labels are in {args.src}/meta, and nothing '
            "names them; --classes FILE does (ShardedImageNet's are ImageNet's without)"
        )
        return None
    raise ValueError(
        f'{args.src}: the labels of {", ".join(annotated)} are in meta/, those of other splits are '
        'the names of their folders; allowed: --classes FILE, the names in the order of the labels'
    )


def load_infos(args: argparse.Namespace, split: str, classes: tuple[str, ...] | None) -> list[dict]:
    """All images of a split in a random order."""
    import numpy as np

    from senet_mm.datasets import CustomDataset, ImageNet

    metainfo = {} if classes is None else dict(classes=classes)
    if (args.src / f'meta/{split}.txt').exists():
        dataset = ImageNet(data_root=str(args.src), split=split, metainfo=metainfo)
    else:
        dataset = CustomDataset(str(args.src), split, metainfo=metainfo)
    order = np.random.default_rng(args.seed).permutation(len(dataset))
    return [dataset.get_data_info(int(i)) for i in order]


def convert_all(
    args: argparse.Namespace, infos: list[dict]
) -> Iterator[tuple[dict, bytes, str, bool]]:
    """Convert in parallel, in order."""
    from senet_mm.utils.progress import track

    options = dict(short_side=args.short_side, quality=args.quality, unchanged=args.unchanged)
    task = partial(convert, **options)
    with Pool(args.workers) as pool:
        results = pool.imap(task, infos, chunksize=16)
        yield from track(results, 'packing', len(infos), 'images')


def pack(
    args: argparse.Namespace, split: str, infos: list[dict], classes: tuple[str, ...] | None
) -> None:
    """Write the shards and the index of a split."""
    from senet_mm.utils.files import atomic_file
    from senet_mm.utils.names import printable

    shards, index, damaged = Shards(args.out, split, args.shard_size * 2**20), [], []
    cut = 0
    for i, (info, data, reason, is_cut) in enumerate(convert_all(args, infos)):
        cut += is_cut
        if reason:
            damaged.append(f'{printable(info["img_path"])}: {reason}')
            continue
        shards.begin_sample()
        suffix = Path(info['img_path']).suffix.lower() if args.unchanged else '.jpg'
        shard, offset = shards.add(f'{i:09d}{suffix}', data)
        shards.add(f'{i:09d}.cls', str(info['gt_label']).encode())
        name = os.path.relpath(info['img_path'], args.src / split)
        index.append(f'{shard} {offset} {len(data)} {info["gt_label"]} {printable(name)}')
    shards.close()
    lists = {f'{split}-damaged.txt': damaged, f'{split}.txt': index}
    if classes is not None:
        lists = {f'{split}-classes.json': [json.dumps(classes)], **lists}
    for name, lines in lists.items():  # the index last: with it the shards are whole
        with atomic_file(args.out / name) as file:
            file.write(''.join(f'{line}\n' for line in lines).encode())
    print(f'{split}: {len(index)} images in {shards.count} shards; {len(damaged)} damaged left out')
    if cut:
        print(
            f'{split}: {cut} images of 16 bits or with alpha have 8 bits and no alpha in a JPEG; '
            '--unchanged keeps them'
        )


def main(args: argparse.Namespace) -> None:
    from senet_mm.utils.options import check_integer, check_option

    check_empty(args.out)
    check_integer('--seed', args.seed, 0)
    check_leasts(args, dict(workers=1))
    check_option('--quality', args.quality, range(1, 101))
    if args.short_side is not None and args.short_side < 1:
        raise ValueError(f'--short-side {args.short_side}: allowed: from 1')
    if args.unchanged and args.short_side is not None:
        raise ValueError(
            '--unchanged copies files, which --short-side resizes; allowed: one of them'
        )
    # All splits are read first: a mistake in the last one must not come to light after the first.
    classes = find_classes(args)
    infos = {split: load_infos(args, split, classes) for split in args.splits}
    args.out.mkdir(parents=True, exist_ok=True)
    for split in args.splits:
        pack(args, split, infos.pop(split), classes)


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
