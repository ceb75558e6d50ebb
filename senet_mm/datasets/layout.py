"""What a folder of pictures holds: a folder per class, in ``train`` and ``val`` or without them."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mmengine import fileio

from senet_mm.utils.errors import InputError, MissingFileError
from senet_mm.utils.names import normalise, printable

from .classes import list_names
from .images.decoding import EXTENSIONS
from .listing import describe_left_out, find_folders, list_files, suffix_of

# The names of the folders of a split, in any case; the first is ours.
SPLITS = {'train': ('train',), 'val': ('val', 'valid', 'validation'), 'test': ('test',)}
LAYOUTS = 'DIR/CLASS/*.jpg, or DIR/train/CLASS/*.jpg and DIR/val/CLASS/*.jpg'


class Layout(NamedTuple):
    """The pictures below a folder, by paths from it.

    Attributes:
        root: The folder.
        images: Pictures by split, each sorted by class folder; all under ``''`` where there is no
            folder of a split.
        remarks: Lines for the log by split: what is not read.
        refused: The reason by split: a ``test`` without class folders can still be trained beside.
    """

    root: str
    images: dict[str, list[str]]
    remarks: dict[str, list[str]]
    refused: dict[str, str]

    @property
    def is_split(self) -> bool:
        """Whether there are folders for training and the like."""
        return '' not in self.images


def class_of(path: str) -> str:
    """The class folder of a picture."""
    return path.split('/')[-2]


def read_layout(root: str) -> Layout:
    """List a folder of pictures.

    Args:
        root: The folder, or its address.

    Raises:
        MissingFileError: There is no such folder.
        InputError: It has no picture in a class folder, or pictures lie in folders of a class
            folder.
    """
    if not fileio.isdir(root):
        raise MissingFileError(
            f'image folder {root} does not exist; allowed: --cfg-options data_root=DIR, with '
            f'{LAYOUTS}'
        )
    folders, _ = find_folders(root)
    files = sorted(list_files(root))
    splits = _find_splits(root, list(filter(_is_picture, files)))
    layout = Layout(root, {}, {}, {})
    for split, folder in splits.items():
        inside = [path for path in files if not folder or path.startswith(f'{folder}/')]
        classes = find_folders(f'{root}/{folder}')[0] if folder else folders
        try:
            layout.images[split], layout.remarks[split] = _sort(root, folder, inside, classes)
        except InputError as error:
            if split != 'test':
                raise
            layout.refused[split] = str(error)
    if layout.is_split:
        layout.remarks['train'] += _describe_others(root, splits.values(), files, folders)
        layout.remarks['train'] += [
            f'{reason.partition("; allowed: ")[0]}: left out, training does not need it'
            for reason in layout.refused.values()
        ]
    return layout


def _is_picture(path: str) -> bool:
    return suffix_of(path) in EXTENSIONS


def _find_splits(root: str, pictures: Iterable[str]) -> dict[str, str]:
    """The folder of each split; ``{'': ''}`` where the folders are those of classes.

    Folders without a picture (labels, an empty ``val``) do not count.
    """
    depths: dict[str, int] = {}
    for path in pictures:
        folder, *rest = path.split('/')
        if rest:
            depths[folder] = max(depths.get(folder, 0), len(rest))
    names = {name: split for split, names in SPLITS.items() for name in names}
    splits = {folder: names[folder.lower()] for folder in sorted(depths) if folder.lower() in names}
    others = sorted(set(depths) - set(splits))
    deep = any(depths[folder] > 1 for folder, split in splits.items() if split == 'train')
    if 'train' not in splits.values() or (others and not deep):  # a class may be named train
        return {'': ''}
    if others:
        raise InputError(
            f'{root} has pictures in {list_names(others)}, beside '
            f'{", ".join(splits)}; allowed: {", ".join(names)}, and folders without pictures'
        )
    found: dict[str, str] = {}
    for folder, split in splits.items():
        if found.setdefault(split, folder) != folder:
            raise InputError(
                f'{found[split]} and {folder} are both folders of {split}; allowed: one of them'
            )
    return found


def _describe_others(
    root: str, splits: Iterable[str], files: Iterable[str], folders: Iterable[str]
) -> list[str]:
    """Lines about what lies beside the folders of a split."""
    splits = set(splits)
    lines = []
    if empty := sorted(set(folders) - splits):
        lines.append(f'{len(empty)} folders without a picture ({list_names(empty)}) left out')
    if others := [path for path in files if path.split('/')[0] not in splits]:
        lines.append(describe_left_out(others))
    return [f'{printable(root)}: {line}' for line in lines]


def _sort(
    root: str, folder: str, files: Sequence[str], classes: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The pictures of a folder of class folders, and lines about what else it has."""
    place = f'{root}/{folder}' if folder else root
    depth = 3 if folder else 2
    pictures = list(filter(_is_picture, files))
    images = [path for path in pictures if path.count('/') + 1 == depth]
    nested = [path for path in pictures if path.count('/') + 1 > depth]
    beside = [path for path in pictures if path.count('/') + 1 < depth]
    if nested:
        raise InputError(
            f'{place}: {len(nested)} pictures lie in folders of a class folder '
            f'({printable(nested[0])}); allowed: {LAYOUTS}'
        )
    if not images:
        has = f'{len(beside)} pictures' if beside else f'no picture in its {len(classes)} folders'
        raise InputError(
            f'{place} has {has} and no class folder with pictures; allowed: {LAYOUTS}, where '
            f'pictures end with {", ".join(EXTENSIONS)}'
        )
    _check_spelling(place, images)
    lines = []
    if beside:
        lines.append(f'{len(beside)} pictures in no class folder ({printable(beside[0])}) left out')
    if others := set(files) - set(pictures):
        lines.append(describe_left_out(others))
    if empty := sorted(set(classes) - set(map(class_of, images))):
        lines.append(f'{len(empty)} class folders without a picture ({list_names(empty)}) left out')
    return images, [f'{printable(place)}: {line}' for line in lines]


def _check_spelling(place: str, images: Iterable[str]) -> None:
    """Raise an InputError for two class folders whose names differ in the bytes of an accent."""
    spelled: dict[str, str] = {}
    for name in dict.fromkeys(map(class_of, images)):
        other = spelled.setdefault(normalise(name), name)
        if other != name:
            raise InputError(
                f'{place}: the class folders {json.dumps(other)} and {json.dumps(name)} have the '
                'same name, with its accents spelled in two ways; allowed: one folder'
            )


def check_classes(layout: Layout) -> list[str]:
    """The names of the classes that a network can be trained on, sorted.

    Raises:
        InputError: There is one class, or one that training does not have.
    """
    if layout.is_split:
        given = sorted(set(map(class_of, layout.images['train'])))
    else:
        given = sorted(set(map(class_of, layout.images[''])))
    if len(given) < 2:
        counts = Counter(map(class_of, next(iter(layout.images.values()))))
        raise InputError(
            f'{layout.root} has one class, {printable(given[0])} of {counts[given[0]]} pictures; '
            f'allowed: two and more, {LAYOUTS}'
        )
    return given
