"""ImageNet in tar shards, read by offset."""

import os
from collections.abc import Sequence
from pathlib import Path

from senet_mm.registry import DATASETS
from senet_mm.utils.files import check_inside, check_regular_file

from .imagenet import ImageNet
from .labels import check_labels


@DATASETS.register_module()
class ShardedImageNet(ImageNet):
    """ImageNet that ``tools/dataset_tools/pack.py`` has written; map-style, as the loose files are.

    Layout: ``data_root/SPLIT.txt``, a line ``SHARD OFFSET SIZE LABEL NAME`` per image, beside the
    shards ``data_root/SPLIT-00000.tar``, ... Classes are the data set's, as in ``ImageNet``.

    Raises:
        FileNotFoundError: The index or a shard does not exist.
        ValueError: A shard is smaller than the index says or lies outside of the folder, or a label
            is out of range.
    """

    def load_data_list(self) -> list[dict]:
        """One dict per image: ``shard``, ``offset``, ``size``, ``gt_label``, ``img_path``."""
        root = Path(self.data_root)
        index = root / f'{self.split}.txt'
        if not index.is_file():
            raise FileNotFoundError(
                f'{index} does not exist; set data_root (now {self.data_root!r}) to a folder that '
                'tools/dataset_tools/pack.py has written'
            )
        self.ann_file = str(index)
        data_list = [_parse(line, root) for line in index.read_text().splitlines()]
        check_places(data_list, root)
        _check_shards(data_list)
        check_labels(data_list, len(self.CLASSES), self.ann_file)
        return data_list


def _parse(line: str, root: Path) -> dict:
    shard, offset, size, label, name = line.split(' ', 4)
    return dict(
        shard=str(root / shard),
        offset=int(offset),
        size=int(size),
        gt_label=int(label),
        img_path=f'{root / shard}:{name}',
    )


def check_places(data_list: Sequence[dict], root: Path) -> None:
    """Raise a ValueError for a shard outside of the folder: a stranger may have packed it."""
    for info in data_list:
        if min(info['offset'], info['size']) < 0:
            raise ValueError(f'{info["img_path"]}: its offset or its size is negative')
    for shard in {info['shard'] for info in data_list}:
        check_inside(shard, root)


def _check_shards(data_list: Sequence[dict]) -> None:
    ends: dict[str, int] = {}
    for info in data_list:
        ends[info['shard']] = max(ends.get(info['shard'], 0), info['offset'] + info['size'])
    for shard, end in ends.items():
        check_regular_file(shard, 'shard')
        size = os.path.getsize(shard)
        if size < end:
            raise ValueError(f'{shard} has {size} bytes; its index says at least {end}')
