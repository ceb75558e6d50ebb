"""A folder of pictures as a data set: classes, split, and what is refused or left out."""

import re
from collections import Counter

import pytest

from senet_mm.datasets.folder import FolderDataset
from senet_mm.datasets.split import digest_of, make_split, read_split, write_split
from senet_mm.registry import DATASETS

from .files import DAMAGED, GOOD
from .pictures import UNTIDY, draw, draw_folder, draw_untidy


def build(root, split='train', **options):
    return DATASETS.build(dict(type='FolderDataset', data_root=str(root), split=split, **options))


def names(dataset):
    """Paths from the folder, with the names of their classes."""
    root = f'{dataset.root}/'
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return {
        info['img_path'].removeprefix(root): dataset.CLASSES[info['gt_label']] for info in infos
    }


def test_an_untidy_folder(tmp_path, logged):
    """Every class in every part; a broken picture is not validated on; one line for what is not."""
    draw_untidy(tmp_path)
    for i in range(20):  # so that one of them would be drawn
        (tmp_path / f'birnen/kaputt{i}.jpg').write_bytes(b'no picture')
    train, val = build(tmp_path), build(tmp_path, 'val')
    assert train.CLASSES == val.CLASSES == tuple(sorted(UNTIDY))
    found = {**names(train), **names(val)}
    assert len(found) == len(train) + len(val) == sum(UNTIDY.values()) + 21
    assert all(path.startswith(f'{name}/') for path, name in found.items())
    counts = Counter(names(val).values())
    assert counts == {'Äpfel rot': 8, 'birnen': 6, '猫 🐈': 1}
    assert not any('kaputt' in path for path in names(val))
    lines = [record.message.removeprefix(f'{tmp_path}: ') for record in logged.records]
    assert lines[0] == '1 file left out: 1 .txt, the first birnen/notes.txt'
    assert re.match(r'\d+ damaged pictures are not validated on \(birnen/kaputt', lines[1])
    assert len(lines) == 2


def test_no_damaged_picture_is_validated_and_every_other_kind_is(tmp_path):
    for i, data in enumerate((*GOOD.values(), *DAMAGED.values())):
        for name in ('a', 'b'):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f'{i:02}.jpg').write_bytes(data)
    val = names(build(tmp_path, 'val', val_share=0.9))
    wanted = {f'{name}/{i:02}.jpg' for name in 'ab' for i in range(len(GOOD))}
    assert val.keys() == wanted
    assert len(build(tmp_path, 'train', val_share=0.9)) == 2 * len(DAMAGED)


@pytest.mark.parametrize('names_', [('train', 'val'), ('train', 'valid', 'test')])
def test_folders_of_a_split(tmp_path, names_):
    for name in names_:
        draw_folder(tmp_path / name, {'b': 2, 'a': 1})
    sets = {split: build(tmp_path, split) for split in ('train', 'val', 'test')}
    for split, folder in zip(sets, (*names_, names_[1]), strict=False):
        assert {path.split('/')[0] for path in names(sets[split])} == {folder}
        assert len(sets[split]) == 3
        assert sets[split].pins == {}
    assert len(build(tmp_path, 'all')) == 3 * len(names_)


def test_a_folder_for_training_alone_is_split(tmp_path):
    draw_folder(tmp_path / 'train', {'a': 5, 'b': 5})
    draw_folder(tmp_path / 'test', {'a': 1, 'b': 1})
    assert {path.split('/')[0] for path in names(build(tmp_path, 'val'))} == {'train'}
    assert {path.split('/')[0] for path in names(build(tmp_path, 'test'))} == {'test'}
    assert (len(build(tmp_path)), len(build(tmp_path, 'val'))) == (8, 2)


def test_a_class_may_be_named_train(tmp_path):
    draw_folder(tmp_path, {'bus': 2, 'train': 2})
    assert build(tmp_path).CLASSES == ('bus', 'train')


REFUSED = {
    'missing': ({}, 'image folder {root}/there does not exist; allowed: --cfg-options data_root='),
    'one class': ({'a': 3}, '{root}/there has one class, a of 3 pictures; allowed: two and more'),
    'no class': ({'': 3}, '{root}/there has 3 pictures and no class folder with pictures; allowed'),
    'nested': (
        {'a': 1, 'b': 1, 'b/c': 2},
        '{root}/there: 2 pictures lie in folders of a class folder (b/c/bild 0.png); allowed: DIR/',
    ),
    'only in val': (
        {'train/a': 2, 'train/b': 2, 'val/a': 1, 'val/B': 1},
        "{root}/there (val) has classes that the classes of training do not have: 'B' (there: 'b')",
    ),
    'one picture a class': (
        {'a': 1, 'b': 1},
        '{root}/there has no picture to val on: no class has two pictures; allowed: more pictures',
    ),
    'two of a split': (
        {'train/a': 1, 'val/a': 1, 'valid/a': 1},
        'val and valid are both folders of val; allowed: one of them',
    ),
}


@pytest.mark.parametrize('case', REFUSED)
def test_refused(tmp_path, case):
    counts, message = REFUSED[case]
    draw_folder(tmp_path / 'there', counts)
    with pytest.raises(
        (ValueError, FileNotFoundError), match=re.escape(message.format(root=tmp_path))
    ):
        build(tmp_path / 'there', 'val')


def test_no_picture(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a/notes.txt').touch()
    with pytest.raises(ValueError, match='has no picture in its 1 folders and no class folder'):
        build(tmp_path)


def test_lines_about_what_is_not_trained_on_or_not_validated_on(tmp_path, logged):
    draw_folder(tmp_path, {'a': 5, 'b': 1, 'c': 5, '': 2})
    (tmp_path / 'empty').mkdir()
    assert build(tmp_path).CLASSES == ('a', 'b', 'c')
    assert [record.message for record in logged.records] == [
        f'{tmp_path}: 2 pictures in no class folder (bild 0.png) left out',
        f'{tmp_path}: 1 class folders without a picture (empty) left out',
        f'{tmp_path}: 1 classes are trained on and not validated (b)',
    ]


@pytest.mark.parametrize('count', range(1, 12))
@pytest.mark.parametrize('shares', [(0.2, 0), (0.2, 0.1), (0.9, 0.9)])
def test_split_of_a_class(count, shares):
    shares = dict(zip(('val', 'test'), shares, strict=True))
    split = make_split([f'a/{i}' for i in range(count)], shares, seed=0)
    counts = Counter(split.values())
    assert sum(counts.values()) == count
    assert counts['train'] >= 1
    left = count
    for side, share in shares.items():
        assert counts[side] == (min(max(1, round(share * count)), left - 1) if share else 0)
        left -= counts[side]


def test_split_follows_from_seed_and_paths():
    paths = [f'{name}/{i}' for name in 'ab' for i in range(50)]
    split = make_split(paths, dict(val=0.2), seed=0)
    assert split == make_split(reversed(paths), dict(val=0.2), seed=0)
    assert split != make_split(paths, dict(val=0.2), seed=1)
    # A new picture moves at most one other.
    more = make_split([*paths, 'a/new'], dict(val=0.2), seed=0)
    assert sum(more[path] != side for path, side in split.items()) <= 1


def test_split_file_is_read_as_it_was_written(tmp_path):
    paths = [
        'a b/1 2.jpg',
        'ä/"x".jpg',
        'c/new\nline.jpg',
        ' d/1.jpg',
        'e/\udcff.jpg',
        'f/\u2028.jpg',
    ]
    split = dict.fromkeys(paths, 'train') | {paths[2]: 'val'}
    write_split(split, tmp_path / 'split.txt')
    assert read_split(str(tmp_path / 'split.txt')) == split
    assert digest_of(split) == digest_of(dict(reversed(split.items())))
    assert digest_of(split) != digest_of(split | {paths[0]: 'val'})


def test_damaged_split_file(tmp_path):
    (tmp_path / 'split.txt').write_text('train a/1.jpg\nnothing a/2.jpg\n')
    with pytest.raises(ValueError, match=r"split.txt, line 2: 'nothing a/2.jpg'; allowed: train, "):
        read_split(str(tmp_path / 'split.txt'))


def test_pictures_that_came_and_went_since_the_split(tmp_path, logged):
    """They are said, and new ones are neither trained nor tested on."""
    root, file = draw_folder(tmp_path / 'there', {'a': 10, 'b': 10}), tmp_path / 'split.txt'
    before = build(root)
    write_split(before.pictures, file)
    pins = before.pins
    draw(root / 'a/new.png')
    draw(root / 'zebra/new.png')
    gone = next(iter(names(build(root, split_file=str(file)))))
    (root / gone).unlink()
    logged.clear()
    train, val = (build(root, split, split_file=str(file), **pins) for split in ('train', 'val'))
    assert train.CLASSES == ('a', 'b')
    assert {**names(train), **names(val)}.keys() == before.pictures.keys() - {gone}
    lines = [record.message.removeprefix(f'{root}: ') for record in logged.records]
    assert lines == 2 * [
        f'2 pictures that are not in {file} are left out (a/new.png, zebra/new.png)',
        f'1 pictures of {file} are gone ({gone})',
    ]
    with pytest.raises(ValueError, match='pictures have been added or taken away'):
        build(root, 'val', **pins)


def test_another_folder_is_tested_as_a_whole(tmp_path):
    root, file = draw_folder(tmp_path / 'there', {'a': 10, 'b': 10}), tmp_path / 'split.txt'
    write_split(build(root).pictures, file)
    other = draw_folder(tmp_path / 'other', {'a': 1, 'b': 3}, ('.bmp',))
    with pytest.raises(ValueError, match=r"no picture to val on: .* or split='all' to test on all"):
        build(other, 'test', split_file=str(file))
    assert len(build(other, 'all', split_file=str(file))) == 4


def test_a_folder_in_the_home_folder(tmp_path, monkeypatch):
    """No shell replaces the tilde of data_root=~/pictures."""
    draw_folder(tmp_path / 'pictures', {'a': 2, 'b': 2})
    monkeypatch.setenv('HOME', str(tmp_path))
    assert len(build('~/pictures')) == 2


def test_names_of_given_classes(tmp_path):
    draw_folder(tmp_path, {'n01440764': 3, 'n01443537': 3})
    dataset = build(tmp_path, metainfo=dict(classes=['tench', 'goldfish']))
    assert dataset.CLASSES == ('tench', 'goldfish')
    assert dataset.metainfo['class_folders'] == ('n01440764', 'n01443537')
    dataset = build(tmp_path, metainfo=dict(classes=['n01443537', 'n01440764']))
    assert all(path.split('/')[0] == name for path, name in names(dataset).items())


def test_one_spelling_of_accents_in_all_folders(tmp_path):
    draw_folder(tmp_path / 'train', {'a\u0308pfel': 2, 'b': 2})
    draw_folder(tmp_path / 'val', {'\u00e4pfel': 1, 'b': 1})
    labels = [build(tmp_path, 'val').get_data_info(i)['gt_label'] for i in range(2)]
    assert sorted(labels) == [0, 1]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(split='dev'), "split='dev' is not known; allowed: train, val, test, all"),
        (dict(val_share=1.0), 'val_share=1.0; allowed: from 0, below 1'),
        (dict(split_seed=-1), 'split_seed=-1; allowed: whole numbers from 0'),
    ],
)
def test_wrong_arguments(tmp_path, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        FolderDataset(str(tmp_path), **options)


def test_pictures_of_equal_bytes(tmp_path, logged):
    """Across training and validation, and across classes; what differs in the middle is none."""
    draw_folder(tmp_path / 'train', {'a': 2, 'b': 2})
    draw_folder(tmp_path / 'val', {'a': 1, 'b': 1})
    picture = (tmp_path / 'train/a/bild 0.png').read_bytes()
    (tmp_path / 'val/b/copy.png').write_bytes(picture)
    for name in ('x', 'y'):  # both of one class, and both validated
        (tmp_path / f'val/a/{name}.png').write_bytes(b'the same')
    large = bytearray(20_000)
    for i, folder in enumerate(('train/a', 'val/a')):
        large[10] = i
        (tmp_path / folder / 'large.png').write_bytes(large)
    build(tmp_path)
    lines = [record.message.removeprefix(f'{tmp_path}: ') for record in logged.records]
    twins = '(train/a/bild 0.png = val/b/copy.png)'
    assert lines == [
        f'1 pictures are trained on and tested on, under two names {twins}',
        f'1 pictures are in several classes {twins}',
    ]
