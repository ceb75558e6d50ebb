"""A folder of pictures as a data set: classes, and a split where there is none."""

import logging
from collections import Counter
from collections.abc import Sequence
from functools import cached_property, lru_cache

from mmengine.fileio import get_file_backend
from mmengine.logging import print_log

from senet_mm.registry import DATASETS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_integer, check_option, is_number

from .classes import list_names, match, number_folders
from .custom import CustomDataset
from .images.decoding import decode
from .images.reading import read_file
from .layout import Layout, check_classes, class_of, read_layout
from .names import normalise, printable
from .split import Split, digest_of, make_split, read_split

FILE = 'the split_file, or without one the split of a new training'


@DATASETS.register_module()
class FolderDataset(CustomDataset):
    """Pictures in a folder per class: ``DIR/CLASS/*``, or ``DIR/train/CLASS/*`` and ``DIR/val``.

    The class folders are the classes, sorted. Where there is no ``val``, each class is split.

    Args:
        data_root: The folder.
        split: ``train``, ``val``, ``test`` (without one the same as ``val``), or ``all`` pictures.
        val_share: Part of each class to validate on, where there is no ``val``.
        test_share: Part of each class to test on, where there is neither ``val`` nor ``test``.
        split_seed: Seed of the split.
        split_file: A split to use, as a training writes it; pictures that it does not name are left
            out.
        split_digest: What the split must be, see :func:`.digest_of`.
        **kwargs: ``pipeline``, ``metainfo``, ``test_mode``, ... of mmpretrain's data sets.

    Raises:
        InputError: The folder is not laid out so, has one class, or the split is another one.
    """

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        val_share: float = 0.2,
        test_share: float = 0.0,
        split_seed: int = 0,
        split_file: str | None = None,
        split_digest: str | None = None,
        **kwargs: object,
    ) -> None:
        check_option('split', split, ('train', 'val', 'test', 'all'))
        check_integer('split_seed', split_seed, 0)
        for name, share in (('val_share', val_share), ('test_share', test_share)):
            if not is_number(share, 0, 1):
                raise InputError(f'{name}={share!r}; allowed: from 0, below 1')
        self.side = split
        self.shares = {'val': val_share, 'test': test_share}
        self.split_seed, self.split_file, self.split_digest = split_seed, split_file, split_digest
        super().__init__(data_root=data_root, **kwargs)

    @cached_property
    def layout(self) -> Layout:
        """What the folder holds."""
        return read_layout(self.img_prefix)

    @cached_property
    def pool(self) -> list[str] | None:
        """The pictures that are to be split; None where there are folders of a split."""
        images = self.layout.images
        return images['train' if self.layout.is_split else ''] if 'val' not in images else None

    @cached_property
    def pictures(self) -> Split:
        """The split of the pool."""
        if self.split_file:
            split, where = read_split(self.split_file), self.split_file
        else:
            shares = tuple(self.shares.items())
            split, damaged = _split(
                self.img_prefix, tuple(self.pool or ()), shares, self.split_seed
            )
            where = f'that of the pictures in {self.img_prefix} by split_seed={self.split_seed}'
            if damaged:
                self._say(f'{len(damaged)} that cannot be read are not validated on', damaged)
        digest = digest_of(split)
        if self.split_digest not in (None, digest):
            raise InputError(
                f'the training was on another split than {where}: pictures have been added or '
                'taken away, or it is of another training; allowed: '
                'split_file=WORK_DIR/split.txt of that training'
            )
        return split

    @property
    def pins(self) -> dict[str, object]:
        """Arguments that refuse another split than the present one."""
        return {} if self.pool is None else {'split_digest': digest_of(self.pictures)}

    def load_data_list(self) -> list[dict]:
        """One dict per image: ``img_path`` and ``gt_label``."""
        paths = self._choose()
        labels = self._number_classes()
        names = dict.fromkeys(map(class_of, paths))
        place = f'{self.img_prefix} ({self.side})'
        if unknown := [name for name in names if normalise(name) not in labels]:
            match(unknown, list(labels), place, 'the classes of training')
        backend = get_file_backend(self.img_prefix)
        return [
            dict(
                img_path=backend.join_path(self.img_prefix, path),
                gt_label=labels[normalise(class_of(path))],
            )
            for path in paths
        ]

    def _choose(self) -> list[str]:
        """The pictures of this split; logs what is not read."""
        images = self.layout.images
        if self.side == 'all':
            self._log(line for lines in self.layout.remarks.values() for line in lines)
            return [path for paths in images.values() for path in paths]
        check_classes(self.layout)
        side = self.side
        if self.pool is None or (side == 'test' and 'test' in images):
            side = side if side in images else 'val'
            self._log(self.layout.remarks[side])
            return images[side]
        if self.side == 'train':
            self._log(self.layout.remarks['train' if self.layout.is_split else ''])
        self._compare()
        sides = set(self.pictures.values())
        side = 'val' if side == 'test' and side not in sides else side
        paths = [path for path in self.pool if self.pictures.get(path) == side]
        if not paths:
            raise InputError(
                f'{self.img_prefix} has no picture to {side} on: its pictures are not in '
                f'{self.split_file or "a class of two and more"}; allowed: split_file=FILE, or '
                "split='all' to test on all pictures"
            )
        return paths

    def _compare(self) -> None:
        """Log how the folder differs from the split, and which classes are not validated."""
        pool, split = set(self.pool or ()), self.pictures
        if new := sorted(pool - split.keys()):
            self._say(f'{len(new)} that are not in {self.split_file} are left out', new)
        if gone := sorted(split.keys() - pool):
            self._say(f'{len(gone)} of {self.split_file} are gone', gone)
        counts = Counter(map(class_of, split))
        seen = {class_of(path) for path, side in split.items() if side == 'val'}
        if (unseen := sorted(counts.keys() - seen)) and self.side == 'train':
            named = [f'{printable(name)} ({counts[name]})' for name in unseen]
            self._log([f'classes that are trained on and not validated: {list_names(named)}'])

    def _number_classes(self) -> dict[str, int]:
        """The labels of the classes, by their normalised names."""
        if self.side == 'all':
            trained = [path for paths in self.layout.images.values() for path in paths]
        elif self.pool is None:
            trained = self.layout.images['train']
        else:
            trained = list(self.pictures)
        folders = sorted(set(map(class_of, trained)))
        self.folder_to_idx = number_folders(folders, self.CLASSES, self.img_prefix)
        if self.CLASSES is None:
            self._metainfo['classes'] = tuple(folders)
        self._keep_folder_names()
        return {normalise(name): label for name, label in self.folder_to_idx.items()}

    def _say(self, what: str, paths: Sequence[str]) -> None:
        self._log([f'{self.img_prefix}: pictures: {what} ({printable(paths[0])})'])

    def _log(self, lines: object) -> None:
        for line in lines:
            print_log(line, logger='current', level=logging.WARNING)


@lru_cache(maxsize=4)
def _split(
    root: str, paths: tuple[str, ...], shares: tuple[tuple[str, float], ...], seed: int
) -> tuple[Split, list[str]]:
    """A split, and the pictures that cannot be read; the data sets of a run make the same one."""
    backend = get_file_backend(root)
    damaged = []

    def is_whole(path: str) -> bool:
        try:
            decode(read_file(backend.join_path(root, path)))
        except ValueError:
            damaged.append(path)
            return False
        return True

    return make_split(paths, dict(shares), seed, is_whole), damaged
