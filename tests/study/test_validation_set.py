"""The data set of a stranger's config is read in folders that may be shown, and there alone."""

import os
import shutil

import pytest
from mmengine.config import Config

from senet_mm.study.places import Places
from senet_mm.study.validation_set import find_dataset, open_validation
from senet_mm.utils.errors import InputError

from ..sandbox import photograph

PIPELINE = [dict(type='LoadImage'), dict(type='PackInputs')]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a run in it; pictures of two classes beside it are private."""
    for name in ('a/1', 'a/2', 'b/1', 'b/2'):
        photograph(tmp_path / f'private/{name}.jpg')
    (tmp_path / 'private/list.txt').write_text('secret words\n')
    folder = tmp_path / 'here'
    (folder / 'run').mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def config(**dataset):
    dataset = dict(dict(type='CustomDataset', pipeline=PIPELINE), **dataset)
    return Config(dict(val_dataloader=dict(dataset=dataset), test_dataloader=None))


def places(given=(), started=None):
    return Places(['run', os.getcwd()], given, started)


def count(cfg, where):
    return len(open_validation(cfg, where).dataset)


@pytest.mark.parametrize(
    'dataset',
    [
        dict(data_root='{private}'),
        dict(data_root='../private'),
        dict(data_root='run/../../private'),
        dict(data_root='run/link'),
        dict(data_prefix='{private}'),
        dict(data_root='run', data_prefix=dict(img_path='../../private')),
        dict(ann_file='{private}/list.txt', data_root='run'),
        dict(classes='{private}/list.txt', data_root='run'),
        dict(metainfo=dict(classes='{private}/list.txt'), data_root='run'),
        dict(type='FolderDataset', split_file='{private}/list.txt', data_root='run'),
        dict(type='ShardedImageNet', split='../../private/list', data_root='run'),
        dict(ann_file='list.txt', data_root='run/listed'),
        dict(type='ShardedImageNet', split='val', data_root='run/listed'),
    ],
)
def test_nothing_outside_is_read(here, dataset):
    private = here.parent / 'private'
    (here / 'run/link').symlink_to(private)
    (here / 'run/listed').mkdir()
    (here / 'run/listed/list.txt').symlink_to(private / 'list.txt')
    cfg = Config.fromstring(str(config(**dataset).pretty_text).format(private=private), '.py')
    with pytest.raises(InputError, match=r'is not read: .* --data-root ') as error:
        find_dataset(cfg, places())
    assert 'secret' not in str(error.value)


def test_links_of_pictures_are_not_followed(here):
    (here / 'run/data/b').mkdir(parents=True)
    shutil.copytree('../private/a', here / 'run/data/a')
    (here / 'run/data/b/1.jpg').symlink_to(here.parent / 'private/b/1.jpg')
    cfg = config(data_root='run/data')
    with pytest.raises(InputError, match=r'run/data .*a link there leads out'):
        open_validation(cfg, places())
    assert count(cfg, places([here / 'run/data'])) == 3
    assert count(cfg, None) == 3


@pytest.mark.parametrize('kind', ['CustomDataset', 'FolderDataset'])
def test_a_folder_of_the_user(here, kind):
    """It is allowed by one option, as it is named or where it is now."""
    root = here.parent / 'private'
    split = dict(split='all') if kind == 'FolderDataset' else {}
    cfg = config(type=kind, data_root=str(root), **split)
    with pytest.raises(InputError, match=f'if it may be shown: --data-root {root}$'):
        open_validation(cfg, places())
    assert count(cfg, places([root])) == 4
    assert count(cfg, places([root.parent])) == 4
    moved = config(type=kind, data_root='data/moved', **split)
    with pytest.raises(InputError, match=r"data_root='data/moved': .* --data-root DIR, where"):
        open_validation(moved, places())
    assert count(moved, places([root])) == 4


def test_paths_from_the_folder_of_the_training(here):
    shutil.copytree('../private', here / 'run/data/own')
    cfg = config(data_root='data/own')
    assert count(cfg, places(started=str(here / 'run'))) == 4
    with pytest.raises(InputError, match='--data-root'):
        count(config(data_root='private'), places(started=str(here.parent)))


def test_lines_of_files_are_not_in_messages(here):
    """Those of a file in the current folder, which a stranger's config names."""
    shutil.copytree('../private', here / 'mine')
    cfg = config(data_root='mine', ann_file='list.txt')
    with pytest.raises(InputError, match=r'cannot be read \(.*--data-root DIR') as error:
        open_validation(cfg, places())
    assert 'secret' not in str(error.value)
    with pytest.raises(ValueError, match='secret words'):
        open_validation(cfg, places(['mine']))


def test_names_of_classes_and_of_splits_are_no_paths(here):
    shutil.copytree('../private', here / 'mine')
    (here / 'val').symlink_to('/usr')
    names = ['/usr', '~', '../..']
    cfg = config(type='FolderDataset', data_root='mine', split='val', metainfo=dict(classes=names))
    find_dataset(cfg, places())


def test_the_set_has_a_name():
    digits = dict(type='Digits', split='test', pipeline=[])
    cfg = Config(dict(val_dataloader=None, test_dataloader=dict(dataset=digits)))
    assert find_dataset(cfg).name == 'test set'
    cfg = Config(dict(val_dataloader=dict(dataset=digits), test_dataloader=dict(dataset=digits)))
    assert find_dataset(cfg, Places(['.'])).name == 'validation set'


@pytest.mark.parametrize(
    ('dataset', 'reason'),
    [
        (dict(type='StreamedImageNet'), 'StreamedImageNet'),
        (dict(type='mmpretrain.VOC', data_root='x'), 'VOC'),
        (dict(type='CustomDataset', data_root='http://a.org/b'), 'local files'),
        (dict(type='CustomDataset', backend_args=dict(backend='petrel')), 'local files'),
        (dict(type='builtins.eval'), 'eval'),
    ],
)
def test_other_data_sets_are_not_opened(dataset, reason):
    cfg = dict(val_dataloader=dict(dataset=dict(dataset, pipeline=[])))
    with pytest.raises(InputError, match=reason):
        find_dataset(cfg)
