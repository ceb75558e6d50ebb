"""ImageNet in tar shards that lie in an S3 bucket."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from senet_mm.registry import DATASETS

from .bucket import Bucket
from .bucket_cache import BucketError, is_whole, keep
from .shards import CLASSES, ShardedImageNet

CACHE = '~/.cache/senet_mm/shards'


@DATASETS.register_module()
class StreamedImageNet(ShardedImageNet):
    """What ``tools/dataset_tools/pack.py`` has written, in a bucket.

    A shard is fetched when one of its images is wanted for the first time, once per machine,
    whatever the number of processes; from then on it is read from the cache, also by later runs. A
    shuffled first epoch wants every shard soon, and the cache must have room for all of them.

    Args:
        data_root: Address of the folder with the index and the shards, ``s3://BUCKET/PREFIX``.
        split: ``train`` or ``val``.
        cache_dir: Folder for what was fetched, on a disk of the machine.
        timeout: Seconds without data after which a connection counts as broken.
        **kwargs: Arguments of ``ImageNet``.

    Raises:
        ImportError: boto3 is not installed.
        BucketError: The bucket cannot be read, or lacks the index or a shard, or the cache cannot
            be written.
        ValueError: The cache's disk has no room for the shards, or an argument is wrong.
    """

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        cache_dir: str | None = None,
        timeout: float = 30,
        **kwargs: object,
    ) -> None:
        self.bucket = Bucket(data_root, timeout)
        if not isinstance(cache_dir, str | Path | None):
            raise ValueError(f'cache_dir={cache_dir!r}; allowed: a folder')
        self.cache_dir = Path(cache_dir or CACHE).expanduser()
        self.sizes: dict[str, int] = {}
        super().__init__('', split, **kwargs)  # the shards are read in the cache

    def load_data_list(self) -> list[dict]:
        """One dict per image, with paths in the cache; shards are fetched later."""
        self.sizes = self.bucket.list()
        index, classes = f'{self.split}.txt', CLASSES.format(self.split)
        if index not in self.sizes:
            raise BucketError(
                f'{self.bucket.address} has no {index}; allowed: the address of what '
                'tools/dataset_tools/pack.py has written'
            )
        lines = self.bucket.read(index, self.sizes[index])
        # Another pack has another index, so that its shards are not mistaken for these.
        digest = hashlib.sha256(f'{self.bucket.address}\n'.encode() + lines).hexdigest()[:16]
        folder = self.cache_dir / f'{self.split}-{digest}'
        files = {index: lines}
        if classes in self.sizes:
            files[classes] = self.bucket.read(classes, self.sizes[classes])
        for name, data in files.items():
            keep(folder / name, data)
        self.data_root = str(folder)
        return super().load_data_list()

    def size_of(self, shard: str) -> int:
        """Bytes of a shard in the bucket."""
        name = Path(shard).name
        if Path(shard) != Path(self.data_root, name):
            raise BucketError(f'the index of {self.bucket.address} leads out of it, to {shard}')
        if name not in self.sizes:
            raise BucketError(f'{self.bucket.address} has no {name}, which its index names')
        return self.sizes[name]

    def check_shards(self, ends: dict[str, int]) -> None:
        """Compare sizes with the bucket's listing, and with what the disk has room for."""
        super().check_shards(ends)
        sizes = {shard: self.size_of(shard) for shard in ends}
        missing = sum(size for shard, size in sizes.items() if not is_whole(Path(shard), size))
        free = shutil.disk_usage(self.data_root).free
        if missing > free:
            raise ValueError(
                f'cache_dir={str(self.cache_dir)!r} has {free / 1e9:.3g} GB free; the shards that '
                f'are not there yet need {missing / 1e9:.3g} GB'
            )
        print_log(
            f'{self.bucket.address}: {missing / 1e9:.3g} GB of {len(ends)} shards will be fetched '
            f'into {self.data_root}',
            logger='current',
        )

    def get_data_info(self, idx: int) -> dict:
        """What is known of an image, whose shard is fetched if it is not there."""
        info = super().get_data_info(idx)
        shard = Path(info['shard'])
        self.bucket.fetch(shard.name, self.size_of(info['shard']), shard)
        return info

    def get_gt_labels(self) -> np.ndarray:
        """Labels of all images; nothing is fetched."""
        return np.array([self.get_cat_ids(i)[0] for i in range(len(self))])

    def get_cat_ids(self, idx: int) -> list[int]:
        """The label of an image, in a list; nothing is fetched."""
        return [super().get_data_info(idx)['gt_label']]
