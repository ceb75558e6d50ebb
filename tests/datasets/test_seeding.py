"""A sample's random numbers follow from seed, epoch and position, and from nothing else."""

import random

import numpy as np
import pytest
import torch
from mmpretrain.datasets import BaseDataset

from senet_mm.engine import Runner
from senet_mm.registry import DATASETS


@DATASETS.register_module()
class RandomNumbers(BaseDataset):
    """Samples that are the next random number of each generator."""

    def __init__(self, **kwargs):
        super().__init__(ann_file='', pipeline=[self.draw], **kwargs)

    def load_data_list(self):
        return [dict(index=i) for i in range(10)]

    @staticmethod
    def draw(results):
        return torch.tensor(
            [results['index'], random.random(), np.random.rand(), torch.rand(()).item()],
            dtype=torch.float64,
        )


def epochs(num_epochs=3, seed=0, batch_size=2, **kwargs):
    """All samples of some epochs, (epochs, samples, 4)."""
    cfg = dict(
        dataset=dict(type='RandomNumbers'),
        sampler=dict(type='DefaultSampler', shuffle=True),
        batch_size=batch_size,
        **kwargs,
    )
    loader = Runner.build_dataloader(cfg, seed=seed)
    drawn = []
    for epoch in range(num_epochs):
        loader.sampler.set_epoch(epoch)
        drawn.append(torch.cat(list(loader)))
    return torch.stack(drawn)


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(num_workers=0),
        dict(num_workers=2, persistent_workers=False),
        dict(num_workers=2, persistent_workers=True),
    ],
)
def test_no_number_is_ever_drawn_twice(kwargs):
    drawn = epochs(**kwargs)
    for column in (1, 2, 3):
        assert len(drawn[..., column].unique()) == 30
    assert all(sorted(epoch[:, 0].tolist()) == list(range(10)) for epoch in drawn)


def test_numbers_do_not_depend_on_workers_or_batches():
    reference = epochs()
    assert torch.equal(reference, epochs(num_workers=1))
    assert torch.equal(reference, epochs(num_workers=2, persistent_workers=False))
    assert torch.equal(reference, epochs(num_workers=1, batch_size=5))
    assert not torch.equal(reference, epochs(seed=1))


def test_epoch_can_be_entered_directly():
    """What resuming needs: epoch 2 is the same whether or not epochs 0 and 1 were drawn."""
    cfg = dict(
        dataset=dict(type='RandomNumbers'),
        sampler=dict(type='DefaultSampler', shuffle=True),
        batch_size=10,
    )
    loader = Runner.build_dataloader(cfg, seed=0)
    loader.sampler.set_epoch(2)
    assert torch.equal(next(iter(loader)), epochs()[2])


def test_the_main_process_keeps_its_own_numbers():
    """With 0 workers dropout must not hang on the data."""

    def state():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    cfg = dict(
        dataset=dict(type='RandomNumbers'),
        sampler=dict(type='DefaultSampler', shuffle=False),
        batch_size=10,
    )
    batches = iter(Runner.build_dataloader(cfg, seed=0))
    before = state()
    next(batches)
    assert state() == before


def test_loader_defaults_and_dataset_attributes():
    cfg = dict(
        dataset=dict(type='RandomNumbers', metainfo=dict(classes=('a', 'b'))),
        sampler=dict(type='DefaultSampler', shuffle=False),
        batch_size=3,
        num_batch_per_epoch=2,
        persistent_workers=True,  # with no worker: torch would raise
    )
    loader = Runner.build_dataloader(cfg, seed=0)
    assert loader.dataset.CLASSES == ('a', 'b')
    assert [len(batch) for batch in loader] == [3, 3]
