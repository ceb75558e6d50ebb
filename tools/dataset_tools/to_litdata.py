#!/usr/bin/env python
"""Write shards of pack.py as chunks that litdata streams from remote storage.

python tools/dataset_tools/to_litdata.py data/imagenet-288 data/imagenet-litdata

Then copy OUT to the storage and train with StreamedImageNet. It needs the extra ``streaming``.
"""

import argparse
from pathlib import Path

from senet_mm.utils.cli import reported_errors
from senet_mm.utils.files import check_empty


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('src', type=Path, help='folder that pack.py has written')
    parser.add_argument('out', type=Path, help='folder to write, must not exist or be empty')
    parser.add_argument('--splits', nargs='+', default=['train', 'val'], help='what to write')
    parser.add_argument('--chunk-size', default='64MB', help='size of a chunk')
    parser.add_argument('--workers', type=int, default=8, help='processes')
    return parser.parse_args()


def get_item(info: dict) -> dict:
    """A sample; the JPEG as an array, since litdata would decode bytes of a JPEG itself."""
    import numpy as np

    from senet_mm.datasets.decoding import read_shard

    data = read_shard(info['shard'], info['offset'], info['size'])
    return dict(label=info['gt_label'], jpeg=np.frombuffer(data, np.uint8))


def main(args: argparse.Namespace) -> None:
    try:
        from litdata import optimize
    except ImportError as error:
        raise ImportError("litdata is missing: pip install 'senet_mm[streaming]'") from error
    from senet_mm.datasets import ShardedImageNet

    check_empty(args.out)
    for split in args.splits:
        dataset = ShardedImageNet(data_root=str(args.src), split=split)
        optimize(
            fn=get_item,
            inputs=[dataset.get_data_info(i) for i in range(len(dataset))],
            output_dir=str(args.out / split),
            chunk_bytes=args.chunk_size,
            num_workers=args.workers,
        )
        print(f'{split}: {len(dataset)} images in {args.out / split}')


if __name__ == '__main__':
    with reported_errors():
        main(parse_args())
