"""Names of classes from the data to the shards, and what shards without given classes have."""

import json
import os
from multiprocessing.pool import ThreadPool

import pytest
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES

from senet_mm.datasets import ShardedImageNet
from senet_mm.datasets.shards import is_imagenet

from ..conftest import load_tool
from .test_classes import NAMES, make_folders

pytestmark = pytest.mark.slow

IDS = [f'n{i:08}' for i in range(1000)]


def pack(root, monkeypatch, *args):
    """Pack below ``root`` in this process."""
    tool = load_tool('tools/dataset_tools/pack.py')
    tool.main.__globals__['Pool'] = ThreadPool  # processes could not import what runpy has loaded
    monkeypatch.setattr('sys.argv', ['pack.py', str(root), str(root / 'shards'), *args])
    tool.main(tool.parse_args())


def annotate(root, split, names=NAMES):
    """Write ``meta/SPLIT.txt`` of the folders' images, with labels from the last class."""
    (root / 'meta').mkdir(exist_ok=True)
    numbers = {name: i for i, name in enumerate(reversed(names))}
    lines = [f'{name}/{i}.png {label}\n' for name, label in numbers.items() for i in range(2)]
    (root / f'meta/{split}.txt').write_text(''.join(lines))


def classes_of(dataset):
    """The name of each image's class, by its folder."""
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    folders = [info['img_path'].rpartition(':')[2].partition('/')[0] for info in infos]
    return {
        (folder, dataset.CLASSES[info['gt_label']])
        for folder, info in zip(folders, infos, strict=True)
    }


@pytest.fixture
def root(tmp_path):
    for split in ('train', 'val'):
        make_folders(tmp_path / split, NAMES)
    return tmp_path


@pytest.mark.parametrize('annotated', [(), ('train',), ('val',), ('train', 'val')])
def test_names_travel_along(annotated, root, monkeypatch):
    """Of folders, of annotation files, and of both, with names in the order of the labels."""
    for split in annotated:
        annotate(root, split)
    (root / 'names.txt').write_text('\n'.join(reversed(NAMES)))
    pack(root, monkeypatch, '--classes', str(root / 'names.txt'))
    for split in ('train', 'val'):
        dataset = ShardedImageNet(str(root / 'shards'), split)
        assert NAMES[::-1] == dataset.CLASSES
        assert classes_of(dataset) == {(name, name) for name in NAMES}
        given = ShardedImageNet(str(root / 'shards'), split, metainfo=dict(classes=NAMES))
        assert given.CLASSES == NAMES
        assert classes_of(given) == {(name, name) for name in NAMES}


def test_names_of_the_folders(root, monkeypatch):
    pack(root, monkeypatch)
    dataset = ShardedImageNet(str(root / 'shards'), 'val')
    assert dataset.CLASSES == NAMES
    assert classes_of(dataset) == {(name, name) for name in NAMES}


def test_annotation_files_without_names(root, monkeypatch, capsys):
    for split in ('train', 'val'):
        annotate(root, split)
    pack(root, monkeypatch)
    assert 'no names of classes are packed' in capsys.readouterr().out
    assert not list(root.glob('shards/*-classes.json'))
    dataset = ShardedImageNet(str(root / 'shards'), 'val', classes=NAMES[::-1])
    assert classes_of(dataset) == {(name, name) for name in NAMES}


def test_labels_of_two_origins(root, monkeypatch):
    annotate(root, 'val')
    with pytest.raises(ValueError, match=r'labels of val are in meta/, .* allowed: --classes FILE'):
        pack(root, monkeypatch)
    assert not (root / 'shards').exists()


@pytest.mark.parametrize(
    ('packed', 'expected'),
    [
        (IDS, True),
        (IDS[:999], False),
        ([f'class {i}' for i in range(1000)], False),
        (sorted(IMAGENET_CATEGORIES), True),
        (['goldfish', 'cat'], False),
    ],
    ids=['ids', 'one less', 'own', 'names', 'some names'],
)
def test_what_is_imagenet(packed, expected):
    assert is_imagenet(packed, IMAGENET_CATEGORIES) == expected


@pytest.mark.parametrize('line', ['a.tar 0 9 a.JPEG', 'a.tar 0 9 cat a.JPEG', 'a.tar 0 9'])
def test_damaged_index(line, tmp_path):
    (tmp_path / 'a.tar').write_bytes(bytes(1000))
    (tmp_path / 'val.txt').write_text(f'a.tar 0 9 0 a.JPEG\n{line}\n')
    with pytest.raises(ValueError, match=rf'/val.txt:2: {line!r} is no line of an index'):
        ShardedImageNet(str(tmp_path), 'val')


@pytest.mark.parametrize('file', ['val.txt', 'val-classes.json'])
def test_a_fifo_in_the_place_of_a_list(file, root, monkeypatch):
    pack(root, monkeypatch)
    (root / 'shards' / file).unlink()
    os.mkfifo(root / 'shards' / file)
    with pytest.raises(ValueError, match=rf'{file} is a fifo; allowed: a regular file'):
        ShardedImageNet(str(root / 'shards'), 'val')


@pytest.mark.parametrize(
    ('text', 'message'), [('{', ':1: no JSON'), (json.dumps({'a': 1}), ' is no list of names')]
)
def test_damaged_names(text, message, root, monkeypatch):
    pack(root, monkeypatch)
    (root / 'shards/val-classes.json').write_text(text)
    with pytest.raises(ValueError, match=rf'val-classes\.json{message}'):
        ShardedImageNet(str(root / 'shards'), 'val')
