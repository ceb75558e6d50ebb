"""A folder of pictures as a data set: classes, and a split where there is none."""

import logging
import os
from collections.abc import Iterable, Sequence
from functools import cached_property

from mmengine.fileio import get_file_backend
from mmengine.logging import print_log

from senet_mm.registry import DATASETS
from senet_mm.utils.errors import InputError
from senet_mm.utils.names import normalise
from senet_mm.utils.options import check_integer, check_option, is_number

from .classes import match, number_folders
from .custom import CustomDataset
from .layout import Layout, check_classes, class_of, read_layout
from .sides import check_split, describe_names, describe_sides
from .split import Split, digest_of, read_split
from .whole import check_evaluated, check_whole, split_whole

# What is done with the pictures of a side, for messages.
WORDS = {'train': 'train', 'val': 'validate', 'test': 'test'}


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
        super().__init__(data_root=os.path.expanduser(data_root), **kwargs)

    @property
    def root(self) -> str:
        """The folder, without a slash at its end."""
        return self.img_prefix.rstrip('/') or self.img_prefix

    @cached_property
    def layout(self) -> Layout:
        """What the folder holds."""
        return read_layout(self.root)

    @cached_property
    def pool(self) -> list[str] | None:
        """The pictures that are to be split; None where there are folders of a split."""
        images = self.layout.images
        return images['train' if self.layout.is_split else ''] if 'val' not in images else None

    @cached_property
    def pictures(self) -> Split:
        """The split of the pool, where there is one, else that of the folders."""
        if self.pool is None:
            return {path: side for side, paths in self.layout.images.items() for path in paths}
        if self.split_file:
            split, where = read_split(self.split_file), self.split_file
            check_split(split, where, self.pool, self.root, self.side == 'train')
        else:
            shares, seed = tuple(self.shares.items()), self.split_seed
            split, damaged = split_whole(self.root, tuple(self.pool), shares, seed)
            where = f'that of the pictures in {self.root} by split_seed={seed}'
            if self.side == 'train' and damaged:
                self._say(
                    [describe_names(self.root, 'damaged pictures are not validated on', damaged)]
                )
        if self.split_digest not in (None, digest_of(split)):
            raise InputError(
                f'the training was on another split than {where}: pictures have been added or '
                'taken away, or it is of another training; allowed: '
                "split_file=WORK_DIR/split.txt of that training, or split='all' to test on all "
                'pictures of another folder'
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
        if unknown := [name for name in names if normalise(name) not in labels]:
            match(unknown, list(labels), f'{self.root} ({self.side})', 'the classes of training')
        backend = get_file_backend(self.root)
        return [
            dict(
                img_path=backend.join_path(self.root, path),
                gt_label=labels[normalise(class_of(path))],
            )
            for path in paths
        ]

    def _choose(self) -> list[str]:
        """The pictures of this split; logs what is not read."""
        images, remarks = self.layout.images, self.layout.remarks
        if self.side == 'all':
            if self.layout.refused:
                raise InputError(next(iter(self.layout.refused.values())))
            self._say(line for lines in remarks.values() for line in lines)
            return [path for paths in images.values() for path in paths]
        check_classes(self.layout)
        if self.side in self.layout.refused:
            raise InputError(
                f"{self.layout.refused[self.side]}; or split='val' to test on what is validated on"
            )
        own = self.side if self.side != 'test' or 'test' in images else 'val'
        if self.pool is None or own == 'test':
            self._say(remarks[own])
            paths = images[own]
        else:
            self._say(remarks.get('', remarks.get('train', ())) if own == 'train' else ())
            paths = self._choose_from_pool(self.pool)
        if self.side == 'train':
            others = [path for path, side in self.pictures.items() if side != 'train']
            check_whole(self.root, paths)
            if self.pool is None:  # else they were looked at when they were chosen
                self._check_validation(tuple(images['val']))
            self._say(describe_sides(self.root, paths, others))
        return paths

    def _check_validation(self, paths: tuple[str, ...]) -> None:
        try:
            check_evaluated(self.root, paths)
        except InputError as error:
            # For `config.places`: of the validation, though the training set looks at them.
            vars(error)['built'] = dict(type=type(self).__name__, split='val')
            raise

    def _choose_from_pool(self, pool: Sequence[str]) -> list[str]:
        split = self.pictures
        new, gone = sorted(set(pool) - set(split)), sorted(set(split) - set(pool))
        differences = {
            f'pictures that are not in {self.split_file} are left out': new,
            f'pictures of {self.split_file} are gone': gone,
        }
        self._say(describe_names(self.root, *pair) for pair in differences.items() if pair[1])
        side = self.side if self.side in split.values() else 'val'
        if paths := [path for path in pool if split.get(path) == side]:
            return paths
        if self.split_file:
            reason = f'{self.split_file} has no line for one that is there'
            allowed = "split_file=FILE, or split='all' to test on all pictures"
        elif not self.shares[side]:
            reason, allowed = f'{side}_share=0', f'a larger {side}_share, or pictures in DIR/val'
        else:
            reason = 'no class has two that can be read'
            allowed = 'more pictures in a class folder'
        raise InputError(
            f'{self.root}: no picture is left to {WORDS[side]} on: {reason}; allowed: {allowed}'
        )

    def _number_classes(self) -> dict[str, int]:
        """The labels of the classes, by their normalised names."""
        if self.side == 'all':
            trained = [path for paths in self.layout.images.values() for path in paths]
        elif self.pool is None:
            trained = self.layout.images['train']
        else:
            trained = list(self.pictures)
        folders = sorted(set(map(class_of, trained)))
        self.folder_to_idx = number_folders(folders, self.CLASSES, self.root)
        if self.CLASSES is None:
            self._metainfo['classes'] = tuple(folders)
        self._keep_folder_names()
        return {normalise(name): label for name, label in self.folder_to_idx.items()}

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            print_log(line, logger='current', level=logging.WARNING)
