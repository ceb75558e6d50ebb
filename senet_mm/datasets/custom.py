"""Data sets with a folder per class or an annotation file, whose labels follow names."""

import logging
import os
import re
from collections.abc import Mapping
from functools import partial

from mmengine import fileio
from mmengine.fileio import get_file_backend
from mmengine.logging import print_log
from mmpretrain.datasets import CustomDataset as _CustomDataset
from mmpretrain.datasets import ImageNet21k as _ImageNet21k

from senet_mm.registry import DATASETS
from senet_mm.utils.names import printable

from .classes import list_names, number_folders
from .labels import check_below, read_annotations
from .listing import ListedImages, find_folders, get_samples
from .text_lines import read_lines

WORDNET_ID = re.compile('n[0-9]{8}')


class NamedClasses(_CustomDataset):
    """Labels by name, for mmpretrain's data sets of files.

    Class folders that have the names of the given classes get their labels, in whatever order
    these are given; upstream numbers the folders by the alphabet.
    Annotation files are read by :func:`read_annotations`.

    Raises:
        FileNotFoundError: The image folder does not exist.
        ValueError: The class folders do not fit the classes, or there is no image.
    """

    def load_data_list(self) -> list[dict]:
        """One dict per image: ``img_path`` and, with labels, ``gt_label``."""
        if not fileio.isdir(self.img_prefix):
            raise FileNotFoundError(
                f'image folder {self.img_prefix} does not exist; set data_root '
                f'(now {self.data_root!r}) to the folder that holds it'
            )
        if not self.ann_file:
            return super().load_data_list()
        # One backend for all: to find it takes longer than to join a path.
        join = partial(get_file_backend(self.img_prefix).join_path, self.img_prefix)
        if not self.with_label:
            paths = [path for _, path in read_lines(self.ann_file)]
            check_below(paths, self.img_prefix, self.ann_file)
            return [dict(img_path=join(path)) for path in paths]
        rows = read_annotations(self.ann_file, self.CLASSES)
        check_below((path for path, _ in rows), self.img_prefix, self.ann_file)
        return [dict(img_path=join(path), gt_label=label) for path, label in rows]

    def _find_samples(self) -> list:
        """Paths below the image folder, with labels if the data set has them."""
        if not self.with_label:
            return super()._find_samples()
        folders, _ = find_folders(self.img_prefix)
        self.folder_to_idx = self._number(folders)
        numbered = {folder: self.folder_to_idx[folder] for folder in folders}
        samples, empty = get_samples(self.img_prefix, numbered, self.is_valid_file)
        if not samples:
            raise ValueError(
                f'{self.img_prefix} has no image in its {len(folders)} class folders; '
                f'allowed: {", ".join(sorted(self.extensions))}'
            )
        if empty:
            self._report_empty(sorted(empty))
        if self.CLASSES is None:
            self._metainfo['classes'] = tuple(folders)
        self._keep_folder_names()
        return samples

    def _keep_folder_names(self) -> None:
        """Note the folders' names where they are others than those of the classes."""
        names = tuple(sorted(self.folder_to_idx, key=self.folder_to_idx.__getitem__))
        if len(names) != len(self.CLASSES) or set(names) == set(self.CLASSES):
            return
        self._metainfo['class_folders'] = names
        if self.has_own_classes or not all(map(WORDNET_ID.fullmatch, names)):
            pairs = [
                f'{printable(folder)} = {printable(name)}'
                for folder, name in zip(names, self.CLASSES, strict=True)
            ]
            more = ', ...' if len(pairs) > 3 else ''
            print_log(
                f'{self.img_prefix}: the classes name the sorted folders: '
                f'{", ".join(pairs[:3])}{more}',
                logger='current',
            )

    def _number(self, folders: list[str]) -> dict[str, int]:
        """The labels of the class folders."""
        return number_folders(folders, self.CLASSES, self.img_prefix)

    def _report_empty(self, empty: list[str]) -> None:
        """Say that class folders have no image."""
        print_log(
            f'{len(empty)} class folders of {self.img_prefix} have no image '
            f'({list_names(empty)}); allowed: {", ".join(sorted(self.extensions))}',
            logger='current',
            level=logging.INFO if self.test_mode else logging.WARNING,
        )

    def _compat_classes(self, metainfo: dict | None, classes: str | list | None) -> dict:
        """Classes given in either way, as names or as a file of a name per line, are a tuple."""
        given = metainfo.get('classes') if isinstance(metainfo, Mapping) else None
        own, others = read_names(given), read_names(classes)
        if own and others and own != others:
            raise ValueError(
                f'classes ({list_names(others)}) and metainfo.classes ({list_names(own)}) differ; '
                'allowed: one of both'
            )
        self.has_own_classes = bool(own or others)
        if own:
            metainfo = {**(metainfo or {}), 'classes': own}
        return super()._compat_classes(metainfo, others)


def read_names(classes: object, given: str = '') -> tuple[str, ...] | None:
    """Given names of classes as text, out of a file if they are its path; None for None.

    Args:
        classes: The names, or the path.
        given: How a user gave them, for messages; ``classes=...`` by default.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is neither a file nor a list.
    """
    allowed = 'allowed: a list of names, or a text file of a name per line'
    given = given or f'classes={classes!r}'
    if isinstance(classes, str):
        try:
            return tuple(name for _, name in read_lines(os.path.expanduser(classes)))
        except FileNotFoundError as error:
            raise FileNotFoundError(f'{given}: there is no such file; {allowed}') from error
    if classes is not None and not isinstance(classes, (list, tuple)):
        raise ValueError(f'{given}; {allowed}')
    return None if classes is None else tuple(map(str, classes))


@DATASETS.register_module()
class CustomDataset(ListedImages, NamedClasses, _CustomDataset):
    """mmpretrain's ``CustomDataset`` of all images that the decoder reads, with labels by name."""


@DATASETS.register_module()
class ImageNet21k(ListedImages, NamedClasses, _ImageNet21k):
    """mmpretrain's ``ImageNet21k`` of all images that the decoder reads, with labels by name."""
