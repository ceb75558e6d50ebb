"""Labels follow the names of the classes, over all kinds of data sets and in every tool."""

import copy
import shutil
import unicodedata
from multiprocessing.pool import ThreadPool

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.model import BaseModel
from torch import nn

from senet_mm.datasets.alignment import Reference, align
from senet_mm.datasets.classes import compare, number_folders
from senet_mm.engine import Runner
from senet_mm.engine.classes import compare_checkpoint
from senet_mm.registry import DATASETS, MODELS

from ..conftest import load_tool

NAMES = ('Zebra', 'ape', 'bear', 'cat', 'dog')  # sorted as a file system does


@MODELS.register_module()
class Teller(BaseModel):
    """Knows from its grey level what an image shows, and which label training gave it."""

    def __init__(self, names):
        super().__init__()
        self.names = names
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            return dict(loss=self.weight * 0)
        shown = [NAMES[round(float(image.float().mean()) / 40)] for image in inputs]
        for sample, name in zip(data_samples, shown, strict=True):
            label = self.names.index(name)
            sample.set_pred_label(label)
            sample.set_pred_score(torch.eye(len(NAMES))[label])
        return data_samples


def make_folders(root, names, empty=()):
    """Two pictures of each class below ``root``; the folder's name may be spelt otherwise."""
    for name in names:
        (root / name).mkdir(parents=True)
        if name not in empty:
            level = 40 * [each.lower() for each in NAMES].index(_plain(name))
            for i in range(2):
                cv2.imwrite(str(root / name / f'{i}.png'), np.full((8, 8, 3), level, np.uint8))


def _plain(name):
    return dict(n0='zebra', n1='ape', n2='bear', n3='cat', n4='dog').get(name, name.lower())


def by_folders(kind, root, split, **kwargs):
    """The config of a data set of folders."""
    pipeline = [dict(type='LoadImage'), dict(type='PackInputs')]
    # To serialize takes half a second: mmengine collects garbage each time.
    common = dict(pipeline=pipeline, serialize_data=False, **kwargs)
    if kind == 'CustomDataset':
        return dict(type=kind, data_root=str(root), data_prefix=split, **common)
    common.setdefault('metainfo', dict(classes=NAMES))
    if kind == 'ShardedImageNet':
        pack(root)
        root = root / 'shards'
    return dict(type=kind, data_root=str(root), split=split, **common)


def pack(root):
    """Pack what is there of ``root``, once."""
    if (root / 'shards').exists():
        return
    tool = load_tool('tools/dataset_tools/pack.py')
    # Processes could not import what runpy has loaded.
    tool.main.__globals__['Pool'] = ThreadPool
    splits = [split for split in ('train', 'val') if (root / split).exists()]
    args = dict(
        src=root, out=root / 'shards', splits=splits, short_side=None, quality=90, unchanged=False
    )
    options = dict(shard_size=1, workers=1, seed=0, classes=None)
    tool.main(tool.argparse.Namespace(**args, **options))


def make_runner(work_dir, training, validation, names=NAMES, model=None, **kwargs):
    loader = dict(batch_size=4, sampler=dict(type='DefaultSampler', shuffle=False))
    evaluator = dict(type='Accuracy', topk=(1,))
    cfg = dict(
        model=model or dict(type='Teller', names=names),
        train_dataloader=dict(**loader, dataset=training),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        val_dataloader=dict(**loader, dataset=validation),
        val_cfg=dict(),
        val_evaluator=evaluator,
        test_dataloader=dict(**loader, dataset=validation),
        test_cfg=dict(),
        test_evaluator=evaluator,
        work_dir=str(work_dir),
        randomness=dict(seed=0),
        default_scope='senet_mm',
        **kwargs,
    )
    return Runner.from_cfg(Config(copy.deepcopy(cfg)))


def accuracy(runner):
    """Top-1 of the validation in a training of an epoch."""
    runner.train()
    return runner.message_hub.get_scalar('val/accuracy/top1').current()


def train(kind, root, **kwargs):
    """Training of the data sets below ``root``."""
    sets = [by_folders(kind, root, split, **kwargs) for split in ('train', 'val')]
    runner = make_runner(root / 'run', *sets)
    runner.train()


def log_of(work_dir):
    return ''.join(file.read_text() for file in work_dir.glob('*/*.log'))


FOLDERS = ('ImageNet', 'CustomDataset', 'ShardedImageNet')


@pytest.mark.parametrize('kind', FOLDERS)
@pytest.mark.parametrize(
    'names',
    [NAMES, NAMES[1:], ('cat', 'Zebra')],
    ids=['all', 'without the first', 'two'],
)
def test_validation_has_the_labels_of_training(kind, names, tmp_path):
    """The model is right about every picture, so that anything below 100 % is a wrong label."""
    make_folders(tmp_path / 'train', NAMES)
    make_folders(tmp_path / 'val', names)
    training, validation = (by_folders(kind, tmp_path, split) for split in ('train', 'val'))
    runner = make_runner(tmp_path / 'run', training, validation)
    assert accuracy(runner) == 100
    assert len(runner.val_dataloader.dataset) == 2 * len(names)
    assert runner.val_evaluator.dataset_meta['classes'] == NAMES
    assert runner.test()['accuracy/top1'] == 100

    # The test set has the labels of the checkpoint.
    tester = make_runner(tmp_path / 'test', training, validation)
    tester._load_from = str(tmp_path / 'run/epoch_1.pth')
    assert tester.test()['accuracy/top1'] == 100


@pytest.mark.parametrize('kind', FOLDERS[:2])
def test_an_empty_class_folder_in_validation_is_allowed(kind, tmp_path):
    make_folders(tmp_path / 'train', NAMES)
    make_folders(tmp_path / 'val', NAMES, empty=['Zebra', 'bear'])
    sets = (by_folders(kind, tmp_path, split) for split in ('train', 'val'))
    assert accuracy(make_runner(tmp_path / 'run', *sets)) == 100
    assert '2 class folders of' in log_of(tmp_path / 'run')


@pytest.mark.parametrize('kind', FOLDERS)
@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (('zebra', *NAMES[1:]), r"'zebra' \(there: 'Zebra'\)"),
        ((*NAMES, 'Dog'), r"'Dog' \(there: 'dog'\)"),
    ],
    ids=['spelt otherwise', 'one more'],
)
def test_a_class_that_training_does_not_have(kind, names, message, tmp_path):
    make_folders(tmp_path / 'train', NAMES)
    make_folders(tmp_path / 'val', names)
    with pytest.raises((ValueError, SystemExit), match=message):
        train(kind, tmp_path)


@pytest.mark.parametrize('kind', FOLDERS)
def test_folders_with_other_names_than_the_classes(kind, tmp_path):
    """As WordNet ids: a validation set without the first of them does not move the others."""
    make_folders(tmp_path / 'train', ['n0', 'n1', 'n2', 'n3', 'n4'])
    make_folders(tmp_path / 'val', ['n1', 'n2', 'n4'])
    meta = dict() if kind == 'CustomDataset' else dict(metainfo=dict(classes=NAMES))
    sets = [by_folders(kind, tmp_path, split, **meta) for split in ('train', 'val')]
    assert accuracy(make_runner(tmp_path / 'run', *sets)) == 100
    if kind != 'CustomDataset':
        line = 'the classes name the sorted folders: n0 = Zebra, n1 = ape, n2 = bear, ...'
        assert line in log_of(tmp_path / 'run')


@pytest.mark.parametrize('kind', FOLDERS)
def test_folders_of_validation_that_training_does_not_have(kind, tmp_path):
    make_folders(tmp_path / 'train', ['n0', 'n1', 'n2', 'n3', 'n4'])
    make_folders(tmp_path / 'val', ['n0', 'n1', 'n2', 'n3', 'dog'])
    meta = dict() if kind == 'CustomDataset' else dict(metainfo=dict(classes=list('VWXYZ')))
    with pytest.raises(ValueError, match=r"has classes that .* do not have: 'dog'"):
        train(kind, tmp_path, **meta)


@pytest.mark.parametrize('kind', FOLDERS)
@pytest.mark.parametrize('how', ['metainfo', 'classes'])
def test_given_classes_in_another_order_than_the_folders(kind, how, tmp_path):
    order = ('dog', 'Zebra', 'cat', 'bear', 'ape')
    given = dict(metainfo=dict(classes=order)) if how == 'metainfo' else dict(classes=order)
    for split in ('train', 'val'):
        make_folders(tmp_path / split, NAMES)
    if how == 'classes':
        given['metainfo'] = {}
    training = by_folders(kind, tmp_path, 'train', **given)
    assert accuracy(make_runner(tmp_path / 'a', training, training, order)) == 100
    # A validation set with names in an order of its own gets those of training.
    validation = by_folders(kind, tmp_path, 'val', metainfo=dict(classes=NAMES))
    assert accuracy(make_runner(tmp_path / 'b', training, validation, order)) == 100


WRAPPERS = {
    'ConcatDataset': lambda cfg: dict(type='ConcatDataset', datasets=[cfg, cfg]),
    'RepeatDataset': lambda cfg: dict(type='RepeatDataset', times=2, dataset=cfg),
    'ClassBalancedDataset': lambda cfg: dict(
        type='ClassBalancedDataset', oversample_thr=0.1, dataset=cfg
    ),
    'KFoldDataset': lambda cfg: dict(
        type='KFoldDataset', num_splits=2, test_mode=True, dataset=cfg
    ),
}


@pytest.mark.parametrize('kind', WRAPPERS)
def test_wrapped_data_sets(kind, tmp_path):
    make_folders(tmp_path / 'train', NAMES)
    make_folders(tmp_path / 'val', NAMES[1:])
    training, validation = (
        DATASETS.build(WRAPPERS[kind](by_folders('CustomDataset', tmp_path, split)))
        for split in ('train', 'val')
    )
    assert align(validation, Reference(training.metainfo, 'training'), 'validation')
    assert validation.metainfo['classes'] == NAMES
    for i in range(len(validation)):
        sample = validation[i]['data_samples']
        assert NAMES[sample.gt_label.item()] in sample.img_path
    assert not align(validation, Reference(training.metainfo, 'training'), 'validation')


@pytest.mark.parametrize('serialize', [True, False])
def test_annotation_files(serialize, tmp_path):
    """Numbers are those of the data set's own names; without names they are the identity."""
    (tmp_path / 'val.txt').write_text('a.png 0\nb.png 1\n')
    cfg = dict(type='CustomDataset', data_root=str(tmp_path), ann_file='val.txt')
    cfg['serialize_data'] = serialize
    training = dict(classes=NAMES)
    named = DATASETS.build(dict(cfg, metainfo=dict(classes=('dog', 'ape'))))
    assert align(named, Reference(training, 'train'), 'val')
    assert named.get_gt_labels().tolist() == [4, 1]
    bare = DATASETS.build(cfg)
    assert not align(bare, Reference(training, 'train'), 'val')
    assert bare.get_gt_labels().tolist() == [0, 1]
    with pytest.raises(ValueError, match=r'label 1 of .*b\.png is out of range; allowed: 0 to 0'):
        align(bare, Reference(dict(classes=['ape']), 'train'), 'val')


def test_several_labels_of_an_image(tmp_path):
    class Several(DATASETS.get('CustomDataset')):
        def load_data_list(self):
            return [dict(img_path='a.png', gt_label=[0, 2])]

    dataset = Several(data_root=str(tmp_path), metainfo=dict(classes=('dog', 'cat', 'ape')))
    assert align(dataset, Reference(dict(classes=NAMES), 'train'), 'val')
    assert dataset.get_data_info(0)['gt_label'] == [4, 1]


def test_data_sets_of_boxes_are_not_relabelled(tmp_path):
    class Boxes(DATASETS.get('CustomDataset')):
        def load_data_list(self):
            return [dict(img_path='a.png', instances=[])]

    dataset = Boxes(data_root=str(tmp_path), metainfo=dict(classes=('dog', 'cat')))
    with pytest.raises(ValueError, match=r'give both metainfo=dict\(classes'):
        align(dataset, Reference(dict(classes=('cat', 'dog')), 'train'), 'val')


def test_training_from_other_classes_says_so_and_resuming_is_refused(tmp_path):
    make_folders(tmp_path / 'train', NAMES)
    shutil.copytree(tmp_path / 'train', tmp_path / 'other/train')
    (tmp_path / 'other/train/ape').rename(tmp_path / 'other/train/eel')
    first, other = (
        by_folders('CustomDataset', root, 'train') for root in (tmp_path, tmp_path / 'other')
    )
    make_runner(tmp_path / 'run', first, first).train()
    checkpoint = str(tmp_path / 'run/epoch_1.pth')
    begun = make_runner(tmp_path / 'begun', other, other, load_from=checkpoint)
    begun.train()
    line = f"the classes of checkpoint {checkpoint} do not have: 'eel'"
    assert f'{line}; training starts from its weights all the same' in log_of(tmp_path / 'begun')
    resumed = make_runner(tmp_path / 'res', other, other, load_from=checkpoint, resume=True)
    with pytest.raises(ValueError, match=r"do not have: 'eel'.* resuming needs the same classes"):
        resumed.train()
    tester = make_runner(tmp_path / 'test', other, other, load_from=checkpoint)
    with pytest.raises(ValueError, match=r"the test set has classes that .* not have: 'eel'"):
        tester.test()


@pytest.mark.parametrize(
    ('reference', 'line'),
    [
        (NAMES[::-1], 'the training set has the classes of checkpoint x.pth in another order'),
        ((*NAMES, 'fox'), f'the training set has {len(NAMES)} of the {len(NAMES) + 1} classes of'),
    ],
)
def test_training_from_more_classes_or_another_order(reference, line, tmp_path):
    make_folders(tmp_path / 'train', NAMES)
    cfg = by_folders('CustomDataset', tmp_path, 'train')
    runner = make_runner(tmp_path / 'run', cfg, cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    meta = dict(dataset_meta=dict(classes=list(reference)))
    compare_checkpoint(runner, dict(meta=meta), 'x.pth')
    assert line in log_of(tmp_path / 'run')


def test_checkpoints_without_names_are_not_compared(tmp_path):
    make_folders(tmp_path / 'train', NAMES)
    cfg = by_folders('CustomDataset', tmp_path, 'train')
    weights = dict(weight=torch.zeros(()))
    for i, meta in enumerate(
        [{}, dict(meta=None), dict(meta=dict(dataset_meta=dict(classes=None)))]
    ):
        torch.save(dict(state_dict=weights, **meta), tmp_path / f'{i}.pth')
        tester = make_runner(tmp_path / 'test', cfg, cfg, load_from=str(tmp_path / f'{i}.pth'))
        assert tester.test()['accuracy/top1'] == 100


@pytest.mark.parametrize(
    ('folders', 'classes', 'labels'),
    [
        ('ba', None, dict(a=0, b=1)),
        ('ab', ('b', 'a'), dict(a=1, b=0)),
        ('b', ('b', 'a', 'c'), dict(b=0)),
        (('n1', 'n0'), ('x', 'y'), dict(n0=0, n1=1)),
        (('ape', 'the_bear'), ('Ape', 'The bear'), dict(ape=0, the_bear=1)),
        ('10', (0, 1), {'0': 0, '1': 1}),
        ([unicodedata.normalize('NFD', 'é'), 'a'], ('é', 'a'), {'é': 0, 'a': 1}),
    ],
)  # fmt: skip
def test_numbers_of_folders(folders, classes, labels):
    numbered = number_folders(folders, classes, 'data')
    assert {unicodedata.normalize('NFC', name): i for name, i in numbered.items()} == labels


@pytest.mark.parametrize(
    ('folders', 'classes', 'message'),
    [
        (('lion', 'zebra'), ('Zebra', 'Lion'), r"'lion' \(there: 'Lion'\), 'zebra' \(there"),
        (('lion', 'zebra'), ('zebra', 'ape'), "data has classes that .* do not have: 'lion'; all"),
        (
            'abc',
            'xy',
            r'data has 3 class folders \(a, b, c\); allowed: 2, the .* by metainfo=dict\(classes',
        ),
        ('ab', ('a', 'b', 'a'), "have 'a' twice"),
    ],
)
def test_folders_that_cannot_be_numbered(folders, classes, message):
    with pytest.raises(ValueError, match=message):
        number_folders(folders, classes, 'data')


def test_words_and_ids_are_compared_by_number_with_a_line(logged):
    assert compare(dict(classes=['a', 'b']), dict(classes=['n0', 'n1']), 'val', 'train') is None
    assert "val and train name all of their 2 classes differently ('a', ... and 'n0'" in logged.text
    with pytest.raises(ValueError, match='val has classes that'):
        compare(dict(classes=['a']), dict(classes=['n0', 'n1']), 'val', 'train')
    words = dict(classes=['a', 'b'], class_folders=['n0', 'n1'])
    assert compare(dict(classes=['n1']), words, 'val', 'train') == ([1], ('n0', 'n1'))
    assert compare(dict(classes=['b']), words, 'val', 'train') == ([1], ('a', 'b'))
