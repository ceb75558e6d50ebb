"""A batch has the keys of its type and no others; what was replaced in it is told beside it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmpretrain.structures import DataSample
from torch import nn
from torch.utils.data import Dataset

from senet_mm.datasets import DamagedImageError
from senet_mm.datasets.batch import Input, SampleBatch, TensorBatch, TensorSample
from senet_mm.datasets.collate import collate
from senet_mm.engine import Runner
from senet_mm.engine.hooks import DamagedImagesHook
from senet_mm.registry import MODELS, TRANSFORMS

RESULTS = dict(img=np.zeros((4, 5, 3), np.uint8), img_path='a.png', gt_label=1)
PACKERS = {
    'PackTensors': (TensorSample, TensorBatch),
    'PackInputs': (SampleBatch, SampleBatch),
}


def keys_of(kind):
    return kind.__required_keys__, kind.__required_keys__ | kind.__optional_keys__


@pytest.mark.parametrize('augments', [False, True])
@pytest.mark.parametrize('packer', PACKERS)
def test_keys(packer, augments):
    results = dict(RESULTS)
    if augments:
        results = TRANSFORMS.build(dict(type='RandomAugment', on='device'))(results)
    samples = [TRANSFORMS.build(dict(type=packer))(dict(results)) for _ in range(2)]
    batch = collate(samples)
    for kind, item in zip(PACKERS[packer], (samples[0], batch), strict=True):
        required, allowed = keys_of(kind)
        assert required <= item.keys() <= allowed
    assert batch['inputs'].shape == (2, 3, 4, 5)
    assert batch['inputs'].dtype == torch.uint8
    preprocessor = MODELS.build(dict(type='BatchPreprocessor', mean=[0, 0, 0], std=[1, 1, 1]))
    for training in (False, True):
        given = preprocessor(batch, training)
        assert given.keys() == Input.__required_keys__
        assert given['inputs'].dtype == torch.float32


class Samples(Dataset):
    """Ten samples of a user's own kind; sample 3 is damaged."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        if index == 3:
            raise DamagedImageError('image 3: broken')
        return dict(x=torch.ones(2), seed=index)


def as_tuple(samples):
    return torch.stack([sample['x'] for sample in samples]), 'anything'


class ByName(BaseModel):
    """Takes the keys of its batch and no others."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 1)

    def forward(self, x, seed, mode):
        return dict(loss=self.fc(x).sum())


class ByPlace(ByName):
    def forward(self, x, text, mode):
        assert text == 'anything'
        return super().forward(x, None, mode)


@pytest.mark.parametrize('workers', [0, 1])
@pytest.mark.parametrize(
    ('model', 'options'),
    [(ByName, {}), (ByPlace, dict(collate_fn=dict(type=as_tuple)))],
    ids=['a dict with a key "seed"', 'a tuple'],
)
def test_a_network_gets_its_own_batches_where_images_are_replaced(model, options, workers):
    sampler = dict(type='DefaultSampler', shuffle=False)
    loader = Runner.build_dataloader(
        dict(dataset=Samples(), batch_size=5, num_workers=workers, sampler=sampler, **options),
        seed=0,
    )
    lines, model = [], model()
    runner = SimpleNamespace(train_dataloader=loader, logger=SimpleNamespace(warning=lines.append))
    hook = DamagedImagesHook()
    optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    for i, batch in enumerate(loader):
        hook.before_train_iter(runner, i, batch)
        model.train_step(batch, optim_wrapper)
    assert lines == ['damaged image image 3: broken; another one takes its place']
    assert list(loader.damaged) == []
    if workers:
        loader._iterator._shutdown_workers()


def test_metrics_see_an_object_per_image():
    batch = collate([TRANSFORMS.build(dict(type='PackInputs'))(dict(RESULTS))])
    assert isinstance(batch['data_samples'][0], DataSample)
