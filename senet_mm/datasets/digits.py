"""Handwritten digits that come with scikit-learn: real data without a download."""

from collections.abc import Sequence

import numpy as np
from mmpretrain.datasets import BaseDataset

from senet_mm.registry import DATASETS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_integers, check_option


@DATASETS.register_module()
class Digits(BaseDataset):
    """The 1,797 digits of scikit-learn, uint8 images (8, 8, 1), 10 classes.

    A stratified 30 % (540 images) is held out as ``test``, by a fixed seed; ``train`` is the rest.

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
        # Late: scikit-learn takes most of a second, which no other data set needs.
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits = load_digits()
        # Grey levels go from 0 to 16.
        images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
        train, test = train_test_split(
            np.arange(len(images)), test_size=0.3, random_state=0, stratify=digits.target
        )
        chosen = train if self.split == 'train' else test
        if self.counts is not None:
            kept = [
                chosen[digits.target[chosen] == n][:count] for n, count in enumerate(self.counts)
            ]
            chosen = np.concatenate(kept)
        return [
            dict(img=images[i], gt_label=int(digits.target[i]), img_path=f'digits/{i}')
            for i in chosen
        ]
