"""Every wrapper of datasets trains, and its inner dataset's attributes can be read and set."""

import io

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine import Config
from mmpretrain.datasets import BaseDataset
from torch.utils.data import ConcatDataset as TorchConcat
from torch.utils.data import Subset

from senet_mm.datasets.damage import DamagedImageError
from senet_mm.engine import Runner
from senet_mm.registry import DATASETS, TRANSFORMS

from ..conftest import ROOT

pytestmark = pytest.mark.slow


@TRANSFORMS.register_module()
class Fill(BaseTransform):
    """An image of one grey level; image 3 is damaged."""

    def __init__(self, value):
        self.value = value

    def transform(self, results):
        if results['img_path'] == 'image 3':
            raise DamagedImageError('image 3: broken')
        return {**results, 'img': np.full((8, 8, 1), self.value, np.uint8)}


@DATASETS.register_module()
class Filled(BaseDataset):
    """Twenty images, two classes; it holds an open file, which cannot be copied."""

    METAINFO = {'classes': ('a', 'b')}

    def __init__(self, **kwargs):
        self.file = io.BufferedReader(io.FileIO(__file__))
        super().__init__(ann_file='', **kwargs)

    def load_data_list(self):
        return [dict(img_path=f'image {i}', gt_label=i % 2) for i in range(20)]


@DATASETS.register_module()
def wrapped_by_torch(dataset, wrapper):
    dataset = DATASETS.build(dataset)
    return Subset(dataset, range(10)) if wrapper == 'subset' else TorchConcat([dataset, dataset])


INNER = dict(type='Filled', pipeline=[dict(type='Fill', value=1), dict(type='PackInputs')])
WRAPPERS = {
    'none': lambda inner: inner,
    'concat': lambda inner: dict(type='ConcatDataset', datasets=[inner, inner]),
    'repeat': lambda inner: dict(type='RepeatDataset', dataset=inner, times=2),
    'balanced': lambda inner: dict(type='ClassBalancedDataset', dataset=inner, oversample_thr=0.5),
    'repeat of concat': lambda inner: dict(
        type='RepeatDataset', dataset=dict(type='ConcatDataset', datasets=[inner]), times=2
    ),
    'torch subset': lambda inner: dict(type='wrapped_by_torch', dataset=inner, wrapper='subset'),
    'torch concat': lambda inner: dict(type='wrapped_by_torch', dataset=inner, wrapper='concat'),
    'built': DATASETS.build,
}
wrappers = pytest.mark.parametrize('wrap', WRAPPERS.values(), ids=WRAPPERS)


def make_loader(dataset, **kwargs):
    sampler = dict(type='DefaultSampler', shuffle=False)
    return dict(dataset=dataset, sampler=sampler, batch_size=4, num_workers=0, **kwargs)


def grey_levels(batch):
    return set(torch.stack(list(batch['inputs'])).unique().tolist())


@wrappers
def test_attributes_meet_the_dataset_inside(wrap):
    dataset = Runner.build_dataloader(make_loader(wrap(INNER)), seed=0).dataset
    assert dataset.CLASSES == dataset.metainfo['classes'] == ('a', 'b')
    assert dataset.test_mode is False
    dataset.test_mode = True
    with pytest.raises(DamagedImageError):
        dataset.__getitems__([(3, (0, 0, 0))])


@wrappers
def test_damaged_images_are_replaced_in_training_alone(wrap):
    loader = Runner.build_dataloader(make_loader(wrap(INNER)), seed=0)
    assert 'damaged' not in next(iter(loader))
    assert loader.damaged == ['image 3: broken']
    loader = Runner.build_dataloader(make_loader(wrap({**INNER, 'test_mode': True})), seed=0)
    with pytest.raises(DamagedImageError, match=r'^image 3: broken$'):
        next(iter(loader))


def train(tmp_path, dataset, num_workers=0, **options):
    """Two epochs; returns the grey levels of each."""
    cfg = Config.fromfile(ROOT / 'configs/digits/seresnet8_1xb64_digits.py')
    cfg.data_preprocessor.num_classes = cfg.model.head.num_classes = 2
    cfg.train_dataloader = {}
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path),
            'train_cfg.max_epochs': 2,
            'default_hooks.checkpoint.save_best': None,
            **options,
        }
    )
    arguments = ['train_cfg', 'optim_wrapper', 'param_scheduler', 'default_hooks', 'custom_hooks']
    runner = Runner(
        model={**cfg.model, 'data_preprocessor': cfg.data_preprocessor},
        work_dir=cfg.work_dir,
        train_dataloader={**make_loader(dataset), 'num_workers': num_workers},
        default_scope='senet_mm',
        cfg=cfg,
        **{name: cfg.get(name) for name in arguments},
    )
    levels = [set(), set()]
    preprocess = runner.model.data_preprocessor.forward

    def spy(data, training=False):
        levels[runner.epoch] |= grey_levels(data)
        return preprocess(data, training)

    runner.model.data_preprocessor.forward = spy
    runner.train()
    return levels


@pytest.mark.parametrize(
    ('wrap', 'num_workers'), [(wrap, 0) for wrap in WRAPPERS.values()] + [(WRAPPERS['repeat'], 2)]
)
def test_mmpretrains_hook_switches_the_pipeline(tmp_path, wrap, num_workers):
    """The second epoch's images are the new pipeline's; persistent workers included."""
    recipe = dict(action_epoch=2, train_pipeline=[dict(type='Fill', value=9), INNER['pipeline'][1]])
    hook = dict(type='SwitchRecipeHook', schedule=[recipe])
    levels = train(tmp_path, wrap(INNER), num_workers, custom_hooks=[hook])
    assert levels == [{1}, {9}]


def test_kfold_evaluates_the_fold_that_is_left_out():
    """Its own test_mode counts, whatever that of the dataset inside."""
    kfold = dict(type='KFoldDataset', dataset=dict(type='Digits', split='train', pipeline=[]))
    train, val = (
        Runner.build_dataloader(make_loader(dict(**kfold, test_mode=test_mode)), seed=0).dataset
        for test_mode in (False, True)
    )
    assert (len(train), len(val)) == (1006, 251)
    assert len(train.CLASSES) == 10
    assert (train.test_mode, val.test_mode) == (False, True)


def test_a_method_that_takes_an_index_is_not_that_of_the_dataset_inside():
    """Image 0 of a subset is another one there."""
    loader = Runner.build_dataloader(make_loader(WRAPPERS['torch subset'](INNER)), seed=0)
    with pytest.raises(AttributeError, match="'Subset' object has no attribute 'get_data_info'"):
        loader.dataset.get_data_info(0)


def test_classes_of_other_datasets():
    """mmpretrain's hook wants the attribute; mmengine's have it in metainfo, torch's have none."""
    data = torch.utils.data.TensorDataset(torch.zeros(5, 1))
    assert Runner.build_dataloader(make_loader(data), seed=0).dataset.CLASSES is None
    data.metainfo = dict(classes=('a', 'b'))
    assert Runner.build_dataloader(make_loader(data), seed=0).dataset.CLASSES == ('a', 'b')


def test_a_number_of_batches_is_spread_over_the_data():
    """Folders are listed class by class: the first samples would be of one class."""
    data = torch.utils.data.TensorDataset(torch.arange(20))
    loader = Runner.build_dataloader(make_loader(data, num_batch_per_epoch=2), seed=0)
    served = [int(value) for batch in loader for value in batch[0]]
    assert sorted(served) == [0, 2, 5, 7, 10, 12, 15, 17]


def test_a_number_of_batches_leaves_the_dataset_as_it_is():
    loader = Runner.build_dataloader(make_loader(INNER, num_batch_per_epoch=2), seed=0)
    assert len(loader) == len(list(loader)) == 2
    assert loader.dataset.get_data_info(7)['img_path'] == 'image 7'


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (0, 'num_batch_per_epoch=0: allowed: None, or an integer from 1'),
        (-1, 'num_batch_per_epoch=-1: allowed'),
        (6, 'num_batch_per_epoch=6 takes 24 samples, the data set has 20; allowed: up to 5'),
    ],
)
def test_batches_that_are_not_there(given, message):
    with pytest.raises(ValueError, match=message):
        Runner.build_dataloader(make_loader(INNER, num_batch_per_epoch=given), seed=0)


def test_an_epoch_has_a_batch():
    few = dict(type='RepeatDataset', dataset={**INNER, 'indices': 3}, times=1)
    assert len(Runner.build_dataloader(make_loader(few), seed=0)) == 1
    with pytest.raises(
        ValueError,
        match=r'3 images, batch_size=4, 1 process\(es\), drop_last=True: an epoch has no batch; '
        'allowed: batch_size up to 3, or drop_last=False',
    ):
        Runner.build_dataloader(make_loader(few, drop_last=True), seed=0)
    with pytest.raises(ValueError, match=r"the dataset has no image: .*'Filled'"):
        Runner.build_dataloader(make_loader({**INNER, 'indices': []}), seed=0)


def test_a_loader_that_is_given_has_a_batch():
    loader = torch.utils.data.DataLoader(torch.zeros(3), batch_size=4, drop_last=True)
    with pytest.raises(ValueError, match='3 images, batch_size=4'):
        Runner.build_dataloader(loader)


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        yield 1


class Endless(torch.utils.data.Dataset):
    def __getitem__(self, index):
        return index


@pytest.mark.parametrize('kind', [Stream, Endless])
def test_a_dataset_without_samples_by_index_or_length(kind):
    with pytest.raises(ValueError, match=f'{kind.__name__} has no samples by index, or no length'):
        Runner.build_dataloader(make_loader(kind()), seed=0)


def test_infinite_sampler_goes_on_where_it_was():
    """What mmengine does when a run by iteration is resumed: same samples, same numbers."""

    def draws(skip):
        cfg = {**make_loader(INNER), 'sampler': dict(type='InfiniteSampler', shuffle=True)}
        sampler = Runner.build_dataloader(cfg, seed=0).sampler
        sampler.skip(skip)
        return [draw for draw, _ in zip(sampler, range(50 - skip), strict=False)]

    assert draws(0)[30:] == draws(30)
