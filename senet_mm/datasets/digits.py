"""Handwritten digits that come with scikit-learn: real data without a download."""

import json
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
from mmpretrain.datasets import BaseDataset

from senet_mm.registry import DATASETS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_integers, check_option

# Indices of the images of each split.
SPLIT = Path(__file__).with_name('digits_split.json')


@DATASETS.register_module()
class Digits(BaseDataset):
    """The 1,797 digits of scikit-learn, uint8 images (8, 8, 1), 10 classes.

    A stratified 30 % (540 images) is held out as ``test``; ``train`` is the rest. Both are in the
    order in which scikit-learn's ``train_test_split`` gives them (``random_state=0``).

    Args:
        split: ``train`` or ``test``.
        counts: How many images of each class are kept, the first ones; by default all.
        **kwargs: Arguments of mmpretrain's ``BaseDataset``: ``pipeline``, ``indices``, ...
    """

    METAINFO = {'classes': tuple('0123456789')}

    def __init__(self, split: str, counts: Sequence[int] | None = None, **kwargs: object) -> None:
        check_option('split', split, ('train', 'test'))
        if counts is not None:
            check_integers('counts', counts, least=0)
            if len(counts) != 10:
                raise InputError(f'counts={list(counts)}; allowed: ten numbers, one per digit')
        self.split, self.counts = split, counts
        super().__init__(ann_file='', **kwargs)

    def load_data_list(self) -> list[dict]:
        """One dict per image: ``img`` and ``gt_label``."""
        images, labels = read_digits()
        chosen = np.array(json.loads(SPLIT.read_text())[self.split])
        if self.counts is not None:
            kept = [chosen[labels[chosen] == n][:count] for n, count in enumerate(self.counts)]
            chosen = np.concatenate(kept)
        return [
            dict(img=images[i], gt_label=int(labels[i]), img_path=f'digits/{i}') for i in chosen
        ]


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (1797, 8, 8, 1) and labels (1797,) from the file in scikit-learn's package.

    scikit-learn itself is not imported: it takes most of a second, a fifth of the start of a run.
    """
    file = distribution('scikit-learn').locate_file('sklearn/datasets/data/digits.csv.gz')
    table = np.loadtxt(str(file), delimiter=',')
    # Grey levels go from 0 to 16.
    images = np.round(table[:, :-1].reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    return images, table[:, -1].astype(int)
