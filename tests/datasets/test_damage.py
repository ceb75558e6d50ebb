"""Damaged images among good ones: replaced, counted exactly, too many stop the training."""

import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.dataset import BaseDataset, ConcatDataset
from mmengine.hooks import Hook

from senet_mm.datasets import DamagedImageError, ImageNet
from senet_mm.datasets.seeding import SeededDataset
from senet_mm.engine import DamagedImagesHook, Runner

from ..conftest import ROOT
from ..engine.test_runner import digits
from ..forked import run_ranks
from .files import DAMAGED, GOOD

KINDS = len(DAMAGED)
PIPELINE = Config.fromfile(ROOT / 'configs/_base_/datasets/imagenet_bs32_senet.py').train_pipeline
PIPELINE[1].scale = 32


def make_set(root, total, each):
    """ImageNet's layout with ``each`` files of every kind of damage among ``total``."""
    files = [data for data in DAMAGED.values() for _ in range(each)]
    files += [GOOD['jpeg']] * (total - len(files))
    (root / 'train').mkdir(parents=True)
    (root / 'meta').mkdir()
    for i, data in enumerate(files):
        (root / f'train/{i}.JPEG').write_bytes(data)
    lines = ''.join(f'{i}.JPEG {i % 10}\n' for i in range(total))
    (root / 'meta/train.txt').write_text(lines)
    return {str(root / f'train/{i}.JPEG') for i in range(KINDS * each)}


def loader_cfg(root, **kwargs):
    dataset = dict(type='ImageNet', data_root=str(root), split='train', pipeline=PIPELINE)
    dataset['metainfo'] = dict(classes=list('0123456789'))
    sampler = dict(type='DefaultSampler', shuffle=True)
    return dict(dataset={**dataset, **kwargs}, batch_size=10, num_workers=2, sampler=sampler)


def end_workers(loader):
    """End the workers after an error, and see that none hangs."""
    if loader.num_workers:
        workers = loader._iterator._workers
        loader._iterator._shutdown_workers()
        assert not any(worker.is_alive() for worker in workers)
        assert [worker.exitcode for worker in workers] == [0] * loader.num_workers


def load(cfg, seed=0):
    """All batches of an epoch: images, labels, lines of damage."""
    loader, batches, damaged = Runner.build_dataloader(cfg, seed=seed), [], []
    for batch in loader:
        batches.append(batch)
        damaged += loader.damaged
    inputs = torch.cat([batch['inputs'] for batch in batches])
    return inputs, np.concatenate([batch['gt_label'] for batch in batches]), damaged


def test_damaged_images_are_replaced_and_named(tmp_path):
    """1 % of each kind; the same pictures and lines whatever the number of workers."""
    bad = make_set(tmp_path, 100, 1)
    inputs, labels, damaged = load(loader_cfg(tmp_path))
    assert len(inputs) == len(labels) == 100
    assert {line.partition(': ')[0] for line in damaged} == bad
    for workers in (0, 1):
        same = load(dict(loader_cfg(tmp_path), num_workers=workers))
        assert torch.equal(same[0], inputs)
        assert np.array_equal(same[1], labels)
        assert same[2] == damaged
    # The classes are drawn as if no image were damaged.
    assert sorted(labels.flatten()) == sorted(list(range(10)) * 10)
    other = load(loader_cfg(tmp_path), seed=1)[0]
    assert not torch.equal(other, inputs)


class Labelled(BaseDataset):
    """Samples that are their index; those of some indices are damaged."""

    def __init__(self, labels, damaged):
        self.labels, self.broken = labels, damaged
        super().__init__(ann_file='', pipeline=[self.read])

    def load_data_list(self):
        return [dict(index=i, **self.name(label)) for i, label in enumerate(self.labels)]

    def name(self, label):
        return dict(gt_label=label)

    def read(self, results):
        if results['index'] in self.broken:
            raise DamagedImageError(f'{results["index"]}: damaged')
        return results['index']


class Unlabelled(Labelled):
    def name(self, label):
        return {}


def replace(dataset, index, number=40):
    """What takes the place of an index in several draws."""
    served = SeededDataset(dataset, collate=list)
    draws = [(index, (0, epoch, 3)) for epoch in range(number)]
    batches = [served.__getitems__([draw]).batch for draw in draws]
    assert batches == [served.__getitems__([draw]).batch for draw in draws]  # as in a resumed run
    return {sample for batch in batches for sample in batch}


LABELS = [0, 1, 0, 1, 0, 2, 0, 1]


def test_a_damaged_image_is_replaced_by_one_of_its_class():
    dataset = Labelled(LABELS, {0, 4, 5})
    assert replace(dataset, 0) == {2, 6}
    assert replace(dataset, 4) == {2, 6}
    # The only one of its class: any takes its place.
    assert replace(dataset, 5) == {1, 2, 3, 6, 7}
    assert replace(dataset, 1) == {1}
    assert replace(Unlabelled(LABELS, {0, 4, 5}), 0) == {1, 2, 3, 6, 7}
    assert replace(ConcatDataset([dataset, Labelled([1, 0], {0})]), 8) == {1, 3, 7}


def test_all_of_a_class_are_tried_before_any_other():
    """One whole image among many damaged ones is found as long as draws are left."""
    assert replace(Labelled([0] * 9 + [1], set(range(8))), 0) == {8}
    with pytest.raises(DamagedImageError, match='10 images in a row are damaged'):
        replace(Labelled([0] * 12, set(range(12))), 0)


def test_a_part_of_a_data_set_has_the_classes_of_its_images():
    served = SeededDataset(Labelled([0] * 4 + [1] * 4, {0}), collate=list, length=4)
    assert {served.__getitems__([(0, (0, i, 0))]).batch[0] for i in range(20)} == {2}


@pytest.mark.parametrize('workers', [0, 2])
def test_in_testing_a_damaged_image_is_an_error(tmp_path, workers):
    make_set(tmp_path, 30, 1)
    cfg = dict(loader_cfg(tmp_path, test_mode=True), num_workers=workers)
    loader = Runner.build_dataloader(cfg, seed=0)
    with pytest.raises(DamagedImageError) as error:
        list(loader)
    end_workers(loader)
    assert str(error.value).startswith(f'{tmp_path}/train/')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(('split', 'test_mode'), [('train', False), ('val', True)])
def test_test_mode_follows_the_split(tmp_path, split, test_mode):
    make_set(tmp_path, 12, 1)
    (tmp_path / 'train').rename(tmp_path / split)
    (tmp_path / 'meta/train.txt').rename(tmp_path / f'meta/{split}.txt')
    assert ImageNet(data_root=str(tmp_path), split=split).test_mode == test_mode


def test_a_folder_that_went_away_is_told_at_once(tmp_path):
    make_set(tmp_path, 20, 0)
    loader = Runner.build_dataloader(loader_cfg(tmp_path), seed=0)
    (tmp_path / 'train').rename(tmp_path / 'gone')
    with pytest.raises(DamagedImageError, match='10 images in a row are damaged, the last of them'):
        next(iter(loader))
    end_workers(loader)


class Count(Hook):
    """Counts the iterations."""

    iterations = 0

    def after_train_iter(self, *_, **__):
        self.iterations += 1


def make_cfg(root, work_dir, **limits):
    cfg = digits(work_dir)
    cfg.model.backbone.in_channels = 3
    cfg.model.data_preprocessor = dict(
        type='BatchPreprocessor', num_classes=10, mean=[120] * 3, std=[60] * 3, to_rgb=True
    )
    cfg.data_preprocessor = None
    cfg.input_shape = (3, 32, 32)
    cfg.train_dataloader = loader_cfg(root)
    cfg.default_hooks.damaged_images.update(limits)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.default_hooks.checkpoint.save_best = None
    return cfg


def make_runner(root, work_dir, **limits):
    runner = Runner.from_cfg(make_cfg(root, work_dir, **limits))
    count = Count()
    runner.register_hook(count)
    return runner, count


def test_training_survives_below_the_threshold(tmp_path):
    """As many damaged images as are allowed by default, met twice; each is logged once."""
    bad = make_set(tmp_path / 'set', 200, 1)
    assert len(bad) == 10
    runner, count = make_runner(tmp_path / 'set', tmp_path / 'run')
    runner.train()
    assert count.iterations == 2 * 20
    end_workers(runner.train_dataloader)
    assert_said(tmp_path / 'run', bad)


def assert_said(work_dir, bad):
    """Each damaged image once in the log, and their number."""
    (log,) = work_dir.glob('*/*.log')
    messages = [line.rpartition(' - ')[2] for line in log.read_text().splitlines()]
    lines = [line for line in messages if line.startswith('damaged image ')]
    assert {line.removeprefix('damaged image ').partition(': ')[0] for line in lines} == bad
    assert len(lines) == len(bad)
    totals = [line for line in messages if 'were found damaged so far' in line]
    assert totals == [f'{len(bad)} of 200 images of the training set were found damaged so far']


@pytest.mark.slow
def test_two_processes_say_what_both_found(tmp_path):
    bad = make_set(tmp_path / 'set', 200, 1)
    make_cfg(tmp_path / 'set', tmp_path / 'run').dump(tmp_path / 'config.py')
    for run in run_ranks(['tools/train.py', tmp_path / 'config.py'], 2):
        assert run.returncode == 0, run.stderr
    assert_said(tmp_path / 'run', bad)


@pytest.mark.parametrize(
    ('limits', 'message'),
    [
        (
            dict(at_least=9),
            '10 damaged images, .*; allowed: 9 .share=0.001 of 200, at_least=9, of '
            r'default_hooks.damaged_images\)',
        ),
        (dict(share=0.01, at_least=0), '3 damaged images, .*; allowed: 2 '),
    ],
)
def test_training_stops_above_the_threshold(tmp_path, limits, message):
    make_set(tmp_path / 'set', 200, 1)
    runner, count = make_runner(tmp_path / 'set', tmp_path / 'run', **limits)
    with pytest.raises(DamagedImageError, match=f'training stopped: {message}'):
        runner.train()
    assert count.iterations < 20
    end_workers(runner.train_dataloader)


@pytest.mark.parametrize('limits', [dict(share=2), dict(at_least=-1)])
def test_wrong_limits(limits):
    with pytest.raises(ValueError, match='allowed: share from 0 to 1, at_least from 0'):
        DamagedImagesHook(**limits)


@pytest.mark.parametrize(
    ('damaged', 'run', 'epochs'),
    [(0, 'train', 0), (0, 'val', 0), (0, 'test', 0), (1, 'train', 1), (1, 'test', 0)],
)
def test_an_evaluation_refuses_what_training_replaces(tmp_path, damaged, run, epochs):
    """Whether its data set is in test_mode or not; at the start, if it is in the first look.

    The first look has two images of three, the first and the last one.
    """
    make_set(tmp_path / 'set', 20, 0)
    make_set(tmp_path / 'val', 3, 0)
    path = tmp_path / f'val/train/{damaged}.JPEG'
    path.write_bytes(b'no image')
    cfg = make_cfg(tmp_path / 'set', tmp_path / 'run')
    cfg.val_dataloader = cfg.test_dataloader = {**loader_cfg(tmp_path / 'val'), 'batch_size': 2}
    cfg.val_dataloader.sampler.shuffle = False
    cfg.val_cfg, cfg.test_cfg = {}, {}
    cfg.val_evaluator = cfg.test_evaluator = [dict(type='Accuracy')]
    cfg.default_hooks.damaged_images = None
    runner = Runner.from_cfg(cfg)
    with pytest.raises(DamagedImageError) as error:
        getattr(runner, run)()
    assert str(error.value).startswith(f'{path}: ')
    assert 'test_mode' not in str(error.value)
    assert runner.epoch == epochs
    for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
        if getattr(getattr(loop, 'dataloader', None), '_iterator', None):
            end_workers(loop.dataloader)


@pytest.mark.parametrize(
    ('ranks', 'known'), [([['a', 'b']], ['a', 'b']), ([['a'], ['b', 'a']], ['a', 'b'])]
)
def test_what_was_found_is_part_of_checkpoints(ranks, known):
    """On one process, from as many or from two: what all have found."""
    hook = DamagedImagesHook()
    hook.load_state_dict(dict(damaged=ranks))
    assert hook.state_dict() == dict(damaged=[known])
