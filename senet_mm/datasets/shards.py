"""ImageNet in tar shards, read by offset."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from senet_mm.registry import DATASETS
from senet_mm.utils.files import check_inside, check_regular_file
from senet_mm.utils.names import normalise

from .classes import number_folders
from .custom import WORDNET_ID
from .imagenet import ImageNet
from .labels import check_labels
from .shard_index import read_index

CLASSES = '{}-classes.json'


@DATASETS.register_module()
class ShardedImageNet(ImageNet):
    """ImageNet that ``tools/dataset_tools/pack.py`` has written; map-style, as the loose files are.

    Layout: ``data_root/SPLIT.txt``, a line ``SHARD OFFSET SIZE LABEL NAME`` per image, beside the
    shards ``data_root/SPLIT-00000.tar``, ... A name that is not plain is in JSON's quotes. The
    names of the packed classes are in ``data_root/SPLIT-classes.json``. They are the data set's
    unless others are given, or they are 1000 WordNet ids, which have ImageNet's names; labels
    follow the data set's classes by name.

    Raises:
        FileNotFoundError: The index or a shard does not exist.
        ValueError: A shard is smaller than the index says or lies outside of the folder, or a label
            is out of range.
    """

    def load_data_list(self) -> list[dict]:
        """One dict per image: ``shard``, ``offset``, ``size``, ``gt_label``, ``img_path``."""
        root = Path(self.data_root)
        index = root / f'{self.split}.txt'
        if not index.exists():
            raise FileNotFoundError(
                f'{index} does not exist; set data_root (now {self.data_root!r}) to a folder that '
                'tools/dataset_tools/pack.py has written'
            )
        check_regular_file(index, 'index')
        self.ann_file = str(index)
        data_list = read_index(index)
        check_places(data_list, root)
        self.check_shards(_ends(data_list))
        self._use_names(root / CLASSES.format(self.split), data_list)
        check_labels(data_list, len(self.CLASSES), self.ann_file)
        return data_list

    def check_shards(self, ends: dict[str, int]) -> None:
        """Raise a ValueError for a shard that is smaller than the index says.

        Args:
            ends: Bytes that each shard has at least.
        """
        for shard, end in ends.items():
            size = self.size_of(shard)
            if size < end:
                raise ValueError(f'{shard} has {size} bytes; its index says at least {end}')

    def size_of(self, shard: str) -> int:
        """Bytes of a shard."""
        check_regular_file(shard, 'shard')
        return os.path.getsize(shard)

    def _use_names(self, file: Path, data_list: Sequence[dict]) -> None:
        """Number the images by the names of the classes that were packed, if there are any."""
        if not file.exists():
            return
        packed = _read_packed(file)
        check_labels(data_list, len(packed), self.ann_file)
        if not (self.has_own_classes or is_imagenet(packed, self.CLASSES)):
            self._metainfo['classes'] = tuple(packed)
        self.folder_to_idx = number_folders(packed, self.CLASSES, str(file))
        self._keep_folder_names()
        for info in data_list:
            info['gt_label'] = self.folder_to_idx[packed[info['gt_label']]]


def _read_packed(file: Path) -> list[str]:
    """The names that ``pack.py`` has written, in the order of their labels."""
    check_regular_file(file, 'list of classes')
    try:
        packed = json.loads(file.read_bytes())
    except json.JSONDecodeError as error:
        raise ValueError(
            f'{file}:{error.lineno}: no JSON ({error.msg}); pack.py writes a list of names'
        ) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{file} is no JSON ({error}); pack.py writes a list of names') from error
    if not isinstance(packed, list) or not all(isinstance(name, str) for name in packed):
        raise ValueError(f'{file} is no list of names; pack.py writes one')
    twice = [name for name, count in Counter(map(normalise, packed)).items() if count > 1]
    if twice or not packed:
        what = f'names {twice[0]!r} more than once' if twice else 'has no name'
        raise ValueError(f'{file} {what}; allowed: a list of names that differ')
    return packed


def is_imagenet(packed: Sequence[str], classes: Sequence[str]) -> bool:
    """Whether packed classes are ImageNet's: by its WordNet ids, or by its names in some order."""
    ids = len(packed) == len(classes) and all(map(WORDNET_ID.fullmatch, packed))
    return ids or sorted(packed) == sorted(classes)


def _ends(data_list: Sequence[dict]) -> dict[str, int]:
    """How many bytes each shard has at least, by the index."""
    ends: dict[str, int] = {}
    for info in data_list:
        ends[info['shard']] = max(ends.get(info['shard'], 0), info['offset'] + info['size'])
    return ends


def check_places(data_list: Sequence[dict], root: Path) -> None:
    """Raise a ValueError for a shard outside of the folder: a stranger may have packed it."""
    for shard in {info['shard'] for info in data_list}:
        check_inside(shard, root)
