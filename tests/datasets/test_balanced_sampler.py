"""All classes are drawn equally often, by all processes together, and after a resume too."""

import itertools
from collections import Counter

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmpretrain.datasets import BaseDataset, KFoldDataset
from torch.utils.data import IterableDataset, Subset

from senet_mm.datasets.balanced_sampler import BalancedSampler
from senet_mm.datasets.label_counts import count_labels, read_labels
from senet_mm.datasets.seeding import SeededDataset
from senet_mm.engine import Runner
from senet_mm.utils.errors import InputError


class Labelled(BaseDataset):
    """Images that are their label."""

    METAINFO = {'classes': tuple('abcde')}

    def __init__(self, labels, **kwargs):
        self.labels = labels
        super().__init__(ann_file='', pipeline=[], **kwargs)

    def load_data_list(self):
        infos = [dict(img_path=str(i), gt_label=each) for i, each in enumerate(self.labels)]
        return [{key: info[key] for key in info if info[key] is not None} for info in infos]


# No image of class 3.
COUNTS = [40, 8, 3, 0, 1]
LABELS = [label for label, count in enumerate(COUNTS) for _ in range(count)]


def draw(sampler, epoch=0):
    sampler.set_epoch(epoch)
    return list(sampler)


def test_frequencies():
    """52 draws of four classes with images: 13 of each; of 8 images in turn one or two each."""
    drawn = draw(BalancedSampler(Labelled(LABELS), seed=0))
    assert Counter(LABELS[index] for index in drawn) == {0: 13, 1: 13, 2: 13, 4: 13}
    images = [Counter(i for i in drawn if LABELS[i] == label) for label in range(5)]
    assert sorted(images[0].values()) == [1] * 13
    assert sorted(images[1].values()) == [1] * 3 + [2] * 5
    assert sorted(images[2].values()) == [4, 4, 5]
    assert images[4] == {51: 13}
    for start in range(0, 52, 4):  # each class once
        assert sorted(LABELS[index] for index in drawn[start : start + 4]) == [0, 1, 2, 4]


def test_the_rest_of_an_epoch_is_of_different_classes():
    labels = [0] * 11 + [1] * 2 + [2]
    drawn = Counter(labels[i] for i in draw(BalancedSampler(Labelled(labels), seed=3)))
    assert sorted(drawn.values()) == [4, 5, 5]


def test_another_epoch_and_another_seed_have_another_order():
    sampler = BalancedSampler(Labelled(LABELS), seed=0)
    first = draw(sampler)
    assert draw(sampler, 1) != first
    assert draw(BalancedSampler(Labelled(LABELS), seed=7)) != first
    assert draw(sampler) == first
    seen = set(itertools.chain(*(draw(sampler, epoch) for epoch in range(30))))
    assert seen == set(range(52))


@pytest.mark.parametrize('processes', [2, 3, 5])
def test_processes_share_one_sequence(monkeypatch, processes):
    dataset = Labelled(LABELS)
    whole = draw(BalancedSampler(dataset, seed=0), epoch=4)
    ranks = []
    for rank in range(processes):
        monkeypatch.setattr(
            'mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, processes)
        )
        ranks.append(draw(BalancedSampler(dataset, seed=0), epoch=4))
        assert len(ranks[-1]) == len(BalancedSampler(dataset, seed=0))
    both = [index for row in zip(*ranks, strict=True) for index in row]
    assert both[:52] == whole
    assert both[52:] == whole[: len(both) - 52]


WRAPPED = {
    'none': (lambda: Labelled([0, 1, 2, 1]), [0, 1, 2, 1]),
    'concat': (lambda: ConcatDataset([Labelled([0, 1]), Labelled([2])]), [0, 1, 2]),
    'repeat': (lambda: RepeatDataset(Labelled([0, 1]), times=2), [0, 1, 0, 1]),
    'fold': (
        lambda: KFoldDataset(dict(type=Labelled, labels=[0, 0, 1, 1, 2, 2]), num_splits=3),
        [1, 1, 2, 2],
    ),
    'subset': (lambda: Subset(Labelled([0, 1, 2]), [2, 0]), [2, 0]),
    'seeded': (lambda: SeededDataset(Labelled([0, 1, 2, 3]), list, 2), [0, 2]),
    'nested': (
        lambda: SeededDataset(Subset(RepeatDataset(Labelled([0, 1, 2]), 2), [5, 3, 1]), list),
        [2, 0, 1],
    ),
}


@pytest.mark.parametrize('kind', WRAPPED)
def test_labels_of_wrappers(kind):
    make, expected = WRAPPED[kind]
    assert read_labels(make()).tolist() == expected


@pytest.mark.parametrize('labels', [[None, None], [[0, 1], [1]], [[0, 1], [1, 2]], [0.5, 1.0]])
def test_no_single_label(labels):
    """Of images without a label, or with several."""
    dataset = Labelled(labels)
    assert read_labels(dataset) is None
    assert read_labels(list(range(3))) is None
    with pytest.raises(InputError, match=r'^BalancedSampler: Labelled does not tell one label per'):
        BalancedSampler(dataset)


def test_counts():
    assert count_labels(np.array(LABELS), 7).tolist() == [*COUNTS, 0, 0]
    assert count_labels(np.array([0, 2]), None).tolist() == [1, 0, 1]


def loader(**sampler):
    return Runner.build_dataloader(
        dict(
            dataset=Labelled(LABELS),
            batch_size=4,
            num_batch_per_epoch=6,
            sampler=dict(type='BalancedSampler', **sampler),
        ),
        seed=0,
    )


def test_of_a_part_of_the_data():
    """Of 24 images spread over the data set one is of class 2, none of class 4."""
    built = loader()
    drawn = [built.dataset.locate(index) for index, _ in built.sampler]
    assert Counter(LABELS[index] for index in drawn) == {0: 8, 1: 8, 2: 8}


def test_an_order_that_is_not_random_is_refused():
    with pytest.raises(InputError, match=r'^shuffle=False of BalancedSampler; allowed: True'):
        loader(shuffle=False)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(3))


def test_a_stream_is_refused():
    cfg = dict(dataset=Stream(), batch_size=1, sampler=dict(type='BalancedSampler'))
    with pytest.raises(ValueError, match=r'^Stream has no samples by index, or no length; allowed'):
        Runner.build_dataloader(cfg, seed=0)


def test_another_word_is_refused():
    cfg = dict(dataset=Labelled(LABELS), batch_size=1, sampler=dict(type='BalanceSampler'))
    with pytest.raises(
        KeyError, match=r"'BalanceSampler' is not in .*; did you mean BalancedSampler"
    ):
        Runner.build_dataloader(cfg, seed=0)
