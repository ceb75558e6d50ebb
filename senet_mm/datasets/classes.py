"""Classes are compared by name, never by number.

A data set's metainfo has ``classes``, the names of its labels, and, where its class folders have
other names (ImageNet's WordNet ids), ``class_folders``, those names in the order of the labels.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from .labels import check_labels

KEYS = ('class_folders', 'classes')


def number_folders(folders: Sequence[str], classes: Sequence[str] | None, where: str) -> dict:
    """The label of each class folder.

    Folders named as classes get the labels of these classes, in whatever order these are given.
    Where no folder is named as a class, the classes are other names for the sorted folders.

    Args:
        folders: Names of the class folders.
        classes: Names of the classes in the order of their labels; None for those of the folders.
        where: What holds the folders, for messages.

    Raises:
        ValueError: Some folders are named as classes and others are not, or the folders are not as
            many as the classes whose names are others.
    """
    folders = sorted(folders)
    if classes is None:
        classes = folders
    exact = set(map(_norm, classes)) & set(map(_norm, folders))
    given, own = list(map(_fold, classes)), list(map(_fold, folders))
    if exact or (set(given) & set(own) and given != own):
        labels = match(folders, classes, where, 'the classes of the data set (metainfo.classes)')
        return dict(zip(folders, labels, strict=True))
    if len(folders) != len(classes):
        raise ValueError(
            f'{where} has {len(folders)} class folders; allowed: {len(classes)}, the number of '
            'classes of the dataset, or folders that are named as its classes'
        )
    return {folder: label for label, folder in enumerate(folders)}


def match(
    names: Sequence[str], reference: Sequence[str], where: str, where_reference: str
) -> list[int]:
    """The place of each name in the reference.

    Raises:
        ValueError: A name is not in the reference, or is there twice.
    """
    places: dict[str, list[int]] = {}
    for place, name in enumerate(reference):
        places.setdefault(_norm(name), []).append(place)
    missing = [name for name in names if _norm(name) not in places]
    if missing:
        given = ', '.join(_with_near_miss(name, reference) for name in missing[:3])
        more = f' and {len(missing) - 3} more' if len(missing) > 3 else ''
        raise ValueError(
            f'{where} has classes that {where_reference} do not have: {given}{more}; allowed: '
            f'{", ".join(map(repr, reference[:3]))}{", ..." if len(reference) > 3 else ""}'
        )
    twice = [name for name in names if len(places[_norm(name)]) > 1]
    if twice:
        raise ValueError(f'{where_reference} have {twice[0]!r} twice: labels cannot follow it')
    return [places[_norm(name)][0] for name in names]


def _norm(name: object) -> str:
    """One spelling of letters with accents: file systems differ in it."""
    return unicodedata.normalize('NFC', str(name))


def _fold(name: object) -> str:
    """What two names share that a person would take for one."""
    return re.sub(r'[\s_-]', '', _norm(name).casefold()) or _norm(name)


def _with_near_miss(name: object, reference: Sequence[str]) -> str:
    near = [other for other in reference if _fold(other) == _fold(name)]
    return f'{name!r} (there: {near[0]!r})' if near else repr(name)


def get_names(metainfo: object, key: str) -> tuple[str, ...] | None:
    """The names under a key of a data set's metainfo; None where there are none."""
    names = metainfo.get(key) if isinstance(metainfo, dict) else None
    if not isinstance(names, list | tuple | str) or not names:
        return None
    return tuple(map(str, names)) if all(isinstance(name, str | int) for name in names) else None


def compare(
    given: object, reference: object, where: str, where_reference: str
) -> tuple[list[int], tuple[str, ...]] | None:
    """Compare the classes of two metainfos by name.

    Returns:
        The label in the reference of each given class, and the reference's names that were
        compared. None where the names are the same, one of the two has no names, or all names
        differ of as many classes, as of words and WordNet ids: a line says so.

    Raises:
        ValueError: There is a given class that the reference does not have.
    """
    pairs = [
        (mine, theirs)
        for mine in (get_names(given, key) for key in KEYS)
        for theirs in (get_names(reference, key) for key in KEYS)
        if mine and theirs
    ]
    if not pairs:
        return None
    alike = [pair for pair in pairs if set(map(_fold, pair[0])) & set(map(_fold, pair[1]))]
    mine, theirs = (alike or pairs)[0]
    if list(map(_norm, mine)) == list(map(_norm, theirs)):
        return None
    if not alike and len(mine) == len(theirs):
        print_log(
            f'{where} and {where_reference} name all of their {len(mine)} classes differently '
            f'({mine[0]!r}, ... and {theirs[0]!r}, ...): compared by number',
            logger='current',
        )
        return None
    return match(mine, theirs, where, f'the classes of {where_reference}'), theirs


def align(dataset: object, reference: object, where: str, where_reference: str) -> bool:
    """Give a data set the labels of a reference, by the names of the classes.

    Args:
        dataset: The data set, or a wrapper around data sets.
        reference: Metainfo of the training set, also out of a checkpoint.
        where: What the data set is, for messages.
        where_reference: What the reference is.

    Returns:
        Whether something was changed.

    Raises:
        ValueError: The data set has a class or, without names, a label that the reference has not.
    """
    parts = {id(part): part for part in _walk(dataset)}.values()
    compared = compare(getattr(dataset, 'metainfo', None), reference, where, where_reference)
    if compared is None:
        _check_numbers(parts, get_names(reference, 'classes'), where)
        return False
    labels, names = compared
    for part in parts:
        if isinstance(part, BaseDataset):
            _relabel(part, labels, where)
        if isinstance(getattr(part, '_metainfo', None), dict):
            for key in KEYS:
                part._metainfo.pop(key, None)
            part._metainfo |= {key: reference[key] for key in KEYS if key in reference}
    left_out = [name for label, name in enumerate(names) if label not in labels]
    text = f'{where}: labels follow the classes of {where_reference} by name'
    if left_out:
        text += f'; {len(left_out)} of {len(names)} are not in it ({", ".join(left_out[:3])})'
    print_log(text, logger='current')
    return True


def _walk(dataset: object) -> Iterator[object]:
    """A data set and all that it wraps."""
    yield dataset
    inner = getattr(dataset, '__dict__', {})
    for child in [inner.get('dataset'), *inner.get('datasets', ())]:
        if child is not None:
            yield from _walk(child)


def _infos(dataset: BaseDataset) -> list[dict]:
    """What the data set knows of its images, read without loading anything."""
    infos = [BaseDataset.get_data_info(dataset, i) for i in range(len(dataset))]
    for info in infos:
        info.pop('sample_idx')
    return infos


def _relabel(dataset: BaseDataset, labels: Sequence[int], where: str) -> None:
    """Replace label i by ``labels[i]``."""
    infos = _infos(dataset)
    if any('instances' in info for info in infos):
        raise ValueError(
            f'{where}: the classes of a data set of boxes are not those of training, or in another '
            'order; give both metainfo=dict(classes=[...])'
        )
    for info in infos:
        label = info.get('gt_label')
        if isinstance(label, int):
            info['gt_label'] = labels[label]
        elif label is not None:  # several
            info['gt_label'] = [labels[int(each)] for each in label]
    dataset.data_list = infos
    if dataset.serialize_data:
        dataset.data_bytes, dataset.data_address = dataset._serialize_data()


def _check_numbers(parts: Sequence[object], names: Sequence[str] | None, where: str) -> None:
    """Numbers without names must be labels of the reference, too."""
    for part in parts:
        if names and isinstance(part, BaseDataset) and not part.metainfo.get('classes'):
            infos = [info for info in _infos(part) if isinstance(info.get('gt_label'), int)]
            check_labels(infos, len(names), part.ann_file or where)
