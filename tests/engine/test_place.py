"""A run that goes on with other processes and batches trains each image of its epoch once."""

import itertools

import pytest
from mmengine.registry import DATA_SAMPLERS

from senet_mm.datasets.seeding import SeededSampler

SAMPLERS = [
    'DefaultSampler', 'InfiniteSampler', 'mmpretrain.RepeatAugSampler', 'senet_mm.BalancedSampler',
]  # fmt: skip
# Modules that ask for the number of processes.
ASKING = [
    'mmengine.dataset.sampler',
    'mmpretrain.datasets.samplers.repeat_aug',
    'senet_mm.datasets.seeding',
]
IMAGES = 103


class Labelled(list):
    """Images of five classes, a third of them of the first."""

    def get_gt_labels(self):
        return [max(0, i % 7 - 2) for i in self]


def read(patch, kind, start, processes, batches=None, batch_size=4):
    """What all processes train: draws, in the order of iterations.

    Args:
        patch: pytest's ``monkeypatch``.
        kind: Name of a sampler.
        start: Position from which they train.
        processes: Their number.
        batches: After how many batches they are ended; None: with the epoch.
        batch_size: Of a batch of one process.
    """
    ranks = []
    for rank in range(processes):
        for module in ('mmengine.dataset.sampler', 'mmpretrain.datasets.samplers.repeat_aug'):
            patch.setattr(f'{module}.get_dist_info', lambda rank=rank: (rank, processes))
        patch.setattr(
            'senet_mm.datasets.seeding.get_dist_info', lambda rank=rank: (rank, processes)
        )
        sampler = DATA_SAMPLERS.build(dict(type=kind, dataset=Labelled(range(IMAGES)), seed=1))
        seeded = SeededSampler(sampler, seed=0)
        seeded.set_epoch(5)
        seeded.start = start
        number = None if batches is None else batches * batch_size
        ranks.append(list(itertools.islice(seeded, number)))
    assert len({len(rank) for rank in ranks}) == 1  # a process with less would be waited for
    return [draw for row in zip(*ranks, strict=True) for draw in row]


@pytest.mark.parametrize('kind', SAMPLERS)
@pytest.mark.parametrize('processes', [(1, 2, 1), (2, 1, 3), (3, 2, 2), (2, 3, 5), (8, 3, 1)])
def test_nothing_is_lost_and_nothing_comes_twice(monkeypatch, kind, processes):
    """Interrupted twice within the epoch, after two iterations and one."""
    endless = kind == 'InfiniteSampler'
    number = 40 if endless else None
    whole = read(monkeypatch, kind, 0, 1, number)
    first = read(monkeypatch, kind, 0, processes[0], 2)
    second = read(monkeypatch, kind, len(first), processes[1], 1)
    both = [*first, *second]
    third = read(monkeypatch, kind, len(both), processes[2], number)
    trained = [*both, *third]
    assert [draw[1][2] for draw in trained] == list(range(len(trained)))
    if endless:
        assert trained[: len(whole)] == whole
    else:
        assert trained[:IMAGES] == whole
        # mmpretrain's sampler selects by itself as many as each process gets.
        rounds = 2 if 'RepeatAug' in kind else 1
        assert len(trained) < IMAGES + rounds * processes[2]


@pytest.mark.parametrize('start', [0, 1, 50, 102, 103, 110])
@pytest.mark.parametrize('processes', [1, 2, 3])
def test_what_is_left_is_what_comes(monkeypatch, start, processes):
    seeded = SeededSampler(
        DATA_SAMPLERS.build(dict(type='DefaultSampler', dataset=range(IMAGES))), 0
    )
    seeded.world_size = processes
    expected = len(read(monkeypatch, 'DefaultSampler', start, processes))
    assert seeded.count_left(start) * processes == expected
