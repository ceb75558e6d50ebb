"""Gives a data set the labels of another one, by the names of its classes."""

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from .classes import KEYS, compare, get_names, is_named, list_names
from .labels import check_labels

REMEDY = 'metainfo=dict(classes=[...]) of every data set, the names in the order of the labels'


class Reference(NamedTuple):
    """What the labels of a data set are compared with.

    Attributes:
        metainfo: Metainfo of the training set, also out of a checkpoint.
        where: What it is of, for messages.
        num_classes: Number of the network's classes, None where it is not known.
    """

    metainfo: object
    where: str
    num_classes: int | None = None


def align(dataset: object, reference: Reference, where: str) -> bool:
    """Give a data set the labels of a reference, by the names of the classes.

    Args:
        dataset: The data set, or a wrapper around data sets.
        reference: What it is compared with.
        where: What the data set is, for messages.

    Returns:
        Whether something was changed.

    Raises:
        ValueError: The data set has a class or, without names, a label that the reference has not;
            or the reference has no names, and another number of classes.
    """
    given = getattr(dataset, 'metainfo', None)
    if not (is_named(given) and is_named(reference.metainfo)):
        _compare_numbers(dataset, reference, where)
        return False
    compared = compare(given, reference.metainfo, where, reference.where)
    if compared is None:
        return False
    labels, names = compared
    for part in parts_of(dataset):
        if isinstance(part, BaseDataset):
            _relabel(part, labels, where)
        metainfo = getattr(part, '_metainfo', None)
        if isinstance(metainfo, dict):
            for key in KEYS:
                metainfo.pop(key, None)
            metainfo |= {key: reference.metainfo[key] for key in KEYS if key in reference.metainfo}
    left_out = [name for label, name in enumerate(names) if label not in labels]
    text = f'{where}: labels follow the classes of {reference.where} by name'
    if left_out:
        text += f'; {len(left_out)} of {len(names)} are not in it ({list_names(left_out)})'
    print_log(text, logger='current')
    return True


def _compare_numbers(dataset: object, reference: Reference, where: str) -> None:
    """Compare labels by number where one side has no names; logs a line."""
    place = f'{where}{describe_place(dataset)}'
    names = get_names(getattr(dataset, 'metainfo', None), 'classes')
    known = get_names(reference.metainfo, 'classes')
    if names:
        number = reference.num_classes
        if number is not None and number != len(names):
            raise ValueError(
                f'{place} has {len(names)} classes ({list_names(names)}), the network {number}, '
                f'and {reference.where} has no names: which label each of them '
                f'has cannot be told; allowed: {REMEDY}'
            )
        text = f'{place} has names of classes ({list_names(names)}), {reference.where} has none'
    else:
        labelled = check_numbers(dataset, len(known) if known else reference.num_classes, where)
        if not (known and labelled):
            return
        text = f'{place} has no names of classes, {reference.where} has ({list_names(known)})'
    print_log(
        f'{text}: labels are compared by number, which is wrong if their order differs; give '
        f'{REMEDY}',
        logger='current',
        level=logging.WARNING,
    )


def check_numbers(dataset: object, num_classes: int | None, where: str) -> bool:
    """Check the labels of data sets without names.

    Returns:
        Whether there are any.

    Raises:
        ValueError: A label is out of range.
    """
    labelled = False
    for part in parts_of(dataset):
        if isinstance(part, BaseDataset) and not part.metainfo.get('classes'):
            infos = [info for info in _infos(part) if isinstance(info.get('gt_label'), int)]
            labelled = labelled or bool(infos)
            if num_classes is not None:
                check_labels(infos, num_classes, part.ann_file or where)
    return labelled


def describe_place(dataset: object) -> str:
    """`` (FOLDER)`` or `` (FILE)`` of the annotations of a data set, where they are known."""
    for part in parts_of(dataset):
        place = getattr(part, 'ann_file', None) or getattr(part, 'img_prefix', None)
        if place and isinstance(place, str):
            return f' ({place})'
    return ''


def parts_of(dataset: object) -> list[object]:
    """A data set and all that it wraps, each once."""
    return list({id(part): part for part in _walk(dataset)}.values())


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
