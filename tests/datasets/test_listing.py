"""Which files data sets and tools take, and what they say of the others."""

import os

import numpy as np
import pytest

from senet_mm.datasets.images.decoding import EXTENSIONS
from senet_mm.datasets.listing import describe_left_out, find_folders, list_files
from senet_mm.registry import DATASETS

from ..conftest import load_tool
from .files import KINDS, PHOTO

# A system's, in and beside a class folder.
SYSTEM = ('.DS_Store', '._a.jpg', 'Thumbs.db', 'desktop.ini', '.ipynb_checkpoints/a.jpg')
SYSTEM += ('@eaDir/a.jpg', '__MACOSX/a.jpg')
OTHERS = ('notes.txt', 'b.TXT', 'film.mp4', 'c.heic', 'no suffix')


@pytest.fixture
def root(tmp_path):
    """train/ and val/ with classes a and b: images of all suffixes in any case, other files."""
    for split in ('train', 'val'):
        for name in ('a', 'b'):
            folder = tmp_path / split / name
            (folder / 'deep').mkdir(parents=True)
            for suffix, data in KINDS.items():
                for i, cased in enumerate((suffix, suffix.upper(), suffix.title())):
                    (folder / f'deep/{i}{cased}').write_bytes(data)
            for other in OTHERS:
                (folder / other).touch()
        for place in (tmp_path / split, tmp_path / split / 'a'):
            for name in SYSTEM:
                (place / name).parent.mkdir(exist_ok=True)
                (place / name).write_bytes(KINDS['.jpg'])
    return tmp_path


DATA_SETS = {
    'ImageNet': dict(split='train', metainfo=dict(classes=['a', 'b'])),
    'CustomDataset': dict(data_prefix='train'),
    'ImageNet21k': dict(split='train'),
}


@pytest.mark.parametrize('name', DATA_SETS)
def test_data_sets_take_all_that_the_decoder_reads(root, name, logged):
    """Every suffix in any case; two classes; one line of what is left out."""
    cfg = dict(type=name, data_root=str(root), pipeline=[dict(type='LoadImage')])
    dataset = DATASETS.build({**cfg, **DATA_SETS[name]})
    assert list(dataset.CLASSES) == ['a', 'b']
    assert np.bincount(dataset.get_gt_labels()).tolist() == [3 * len(EXTENSIONS)] * 2
    assert all(dataset[i]['img'].shape == PHOTO.shape for i in range(0, len(dataset), 3))
    lines = [record.message for record in logged.records if 'left out' in record.message]
    assert len(lines) == 1
    assert lines[0].startswith(f'{root}/train: 10 files left out: 4 .txt, 2 ')
    for words in ('2 .mp4', '2 .heic', '2 without suffix', 'read are .avif, .bmp, '):
        assert words in lines[0]


def test_without_labels(root, logged):
    cfg = dict(type='ImageNet', data_root=str(root), data_prefix='val', split='test')
    assert len(DATASETS.build(cfg)) == 2 * 3 * len(EXTENSIONS)
    assert f'{root}/val: 10 files left out' in logged.text


def test_extensions_of_the_user(root, logged):
    cfg = dict(type='CustomDataset', data_root=str(root), data_prefix='val', extensions=['.PNG'])
    assert len(DATASETS.build(cfg)) == 2 * 3
    assert 'files left out' in logged.text
    assert 'read are .png' in logged.text


def test_nothing_is_said_of_nothing(tmp_path, logged):
    for name in ('train/a/x.jpg', 'train/b/x.png'):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    DATASETS.build(dict(type='CustomDataset', data_root=str(tmp_path), data_prefix='train'))
    assert 'left out' not in logged.text
    assert describe_left_out([]) == ''


def test_links_are_followed_and_pipes_are_not_read(tmp_path):
    """A link to nowhere is an image that cannot be read: it is not left out unsaid."""
    (tmp_path / 'real').mkdir()
    (tmp_path / 'real/x.jpg').touch()
    (tmp_path / 'set').mkdir()
    (tmp_path / 'set/a').symlink_to(tmp_path / 'real')
    (tmp_path / 'set/gone.jpg').symlink_to(tmp_path / 'nowhere.jpg')
    os.mkfifo(tmp_path / 'set/pipe.jpg')
    assert sorted(list_files(str(tmp_path / 'set'))) == ['a/x.jpg', 'gone.jpg']
    assert find_folders(str(tmp_path / 'set')) == (['a'], {'a': 0})


def test_links_that_lead_around(tmp_path, logged):
    """Each folder is read once, by its own path; a line names each link that is skipped."""
    folder, other = tmp_path / 'around/set', tmp_path / 'other'
    for name in ('a/x.jpg', 'b/y.jpg'):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    other.mkdir()
    (other / 'z.jpg').touch()
    links = {'self': '.', 'a/up': '..', '0b': 'b', 'b/a': '../a', 'root': tmp_path, 'c': other}
    for name, target in {**links, 'd': other, 'loop': 'loop', 'loop.jpg': 'loop.jpg'}.items():
        (folder / name).symlink_to(target)
    expected = ['a/x.jpg', 'b/y.jpg', 'c/z.jpg', 'loop', 'loop.jpg']
    assert sorted(list_files(str(folder))) == expected
    lines = [record.message for record in logged.records if 'skipped' in record.message]
    assert sorted(line.split('/ is a link')[0] for line in lines) == sorted(
        f'{folder}/{name}' for name in ('self', 'a/up', '0b', 'b/a', 'root', 'd')
    )
    (tmp_path / 'alias').symlink_to(folder)
    assert sorted(list_files(str(tmp_path / 'alias'))) == expected


def test_verify_looks_at_the_same_files(root, run_tool):
    run = run_tool('tools/dataset_tools/verify.py', root / 'train', '--workers', 1)
    assert run.returncode == 0, run.stderr
    assert '10 files left out: 4 .txt, ' in run.stdout
    assert f'0 of {2 * 3 * len(EXTENSIONS)} images are damaged' in run.stdout


def test_verify_knows_the_lists_of_a_data_set(tmp_path, capsys):
    """They are not images that were left out; a text beside images is."""
    for name in ('meta/train.txt', 'meta/val.txt', 'places365_val.txt', 'a/notes.txt', 'a/x.jpg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(KINDS['.jpg'])
    assert load_tool('tools/dataset_tools/verify.py').find_images(tmp_path) == {
        'a/x.jpg': dict(name='a/x.jpg', img_path=str(tmp_path / 'a/x.jpg'))
    }
    assert capsys.readouterr().out == '1 file left out: 1 .txt, the first a/notes.txt\n'


def test_verify_says_at_once_that_it_cannot_write(root, run_tool):
    out = root / 'nowhere/list.txt'
    run = run_tool('tools/dataset_tools/verify.py', root, '--out', out)
    assert run.returncode == 1
    assert f'folder {out.parent} does not exist' in run.stderr
    assert not (root / '.verified.txt').exists()
