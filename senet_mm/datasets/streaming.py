"""ImageNet streamed from remote storage by litdata, an optional extra."""

import os
from functools import cache

from senet_mm.registry import DATASETS

from .imagenet import ImageNet


@DATASETS.register_module()
class StreamedImageNet(ImageNet):
    """Images that ``tools/dataset_tools/to_litdata.py`` has written, wherever litdata can read.

    What is needed is fetched in chunks and kept in the cache, so that later epochs are local. It is
    map-style, so that samplers, distribution and exact resume stay as they are; a shuffled first
    epoch needs every chunk soon, and the cache has room for all of them.

    Args:
        input_dir: Folder or address of a split, ``s3://bucket/imagenet/train``.
        cache_dir: Folder for what was fetched, by default litdata's.
        split: ``train`` or ``val``.
        **kwargs: Arguments of ``ImageNet``.

    Raises:
        ImportError: litdata is not installed.
    """

    def __init__(
        self, input_dir: str, cache_dir: str | None = None, split: str = 'train', **kwargs
    ) -> None:
        self.stream = (input_dir, cache_dir)
        super().__init__(split=split, **kwargs)

    def load_data_list(self) -> list[dict]:
        """One dict per image: its place in the stream and a name for messages."""
        number = len(open_stream(*self.stream, os.getpid()))
        return [dict(place=i, img_path=f'{self.stream[0]}:{i}') for i in range(number)]

    def get_data_info(self, idx: int) -> dict:
        """The image's ``img_bytes`` and ``gt_label``, fetched where they are not yet here."""
        info = super().get_data_info(idx)
        item = open_stream(*self.stream, os.getpid())[info['place']]
        return dict(info, img_bytes=item['jpeg'].tobytes(), gt_label=int(item['label']))


@cache
def open_stream(input_dir: str, cache_dir: str | None, process: int) -> object:
    """litdata's ``StreamingDataset``; one per process, since it does not survive a fork."""
    try:
        from litdata import StreamingDataset
    except ImportError as error:
        raise ImportError(
            "StreamedImageNet needs litdata: pip install 'senet_mm[streaming]'"
        ) from error
    return StreamingDataset(input_dir, cache_dir=cache_dir, max_cache_size='10000GB')
