"""A folder of pictures as a data set: classes, split, and what is refused or left out."""

import re
from collections import Counter
from contextvars import copy_context

import pytest

from senet_mm.config.names import get_config
from senet_mm.config.places import READ, locate_error
from senet_mm.datasets.folder import FolderDataset
from senet_mm.datasets.split import digest_of, make_split, read_split, write_split
from senet_mm.registry import DATASETS
from senet_mm.utils.errors import InputError

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
    assert val.keys() < wanted
    # One whole picture of each class is trained on.
    assert len(wanted - val.keys()) == 2
    assert len(build(tmp_path, 'train', val_share=0.9)) == 2 * (len(DAMAGED) + 1)


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


def test_a_damaged_picture_of_an_own_validation_is_an_error_at_the_start(tmp_path):
    """One of a test is not looked at: the training does not need it."""
    for name in ('train', 'val', 'test'):
        draw_folder(tmp_path / name, {'b': 3, 'a': 3})
    (tmp_path / 'test/a/broken.jpg').write_bytes(b'no picture')
    build(tmp_path)
    (tmp_path / 'val/a/broken.jpg').write_bytes(DAMAGED['half a jpeg'])
    (tmp_path / 'val/b/broken.png').write_bytes(b'no picture')
    message = (
        rf'^{tmp_path}: 2 of the 8 pictures to validate on cannot be read \(val/a/broken.jpg: .*'
        r'\); allowed: whole pictures'
    )
    with pytest.raises(ValueError, match=message):
        build(tmp_path)
    for name in ('a/broken.jpg', 'b/broken.png'):  # mended, as in a notebook
        (tmp_path / 'val' / name).write_bytes(GOOD['jpeg'])
    build(tmp_path)


@pytest.mark.parametrize('damaged', ['train', 'val'])
def test_the_place_of_damaged_pictures_in_the_config(tmp_path, damaged):
    for name in ('train', 'val'):
        draw_folder(tmp_path / name, {'b': 2, 'a': 2})
    for path in (tmp_path / damaged / 'a').iterdir():
        path.write_bytes(b'no picture')

    def fail():
        READ.set({})
        cfg = get_config('seresnet18_1xb32_folder', {'data_root': f'{tmp_path}/'})
        with pytest.raises(InputError) as raised:
            DATASETS.build(cfg.train_dataloader.dataset)
        return locate_error(raised.value, 'MESSAGE')

    assert f', {damaged}_dataloader.dataset; --cfg-options data_root=' in copy_context().run(fail)


def test_a_folder_for_training_alone_is_split(tmp_path):
    draw_folder(tmp_path / 'train', {'a': 5, 'b': 5})
    draw_folder(tmp_path / 'test', {'a': 1, 'b': 1})
    assert {path.split('/')[0] for path in names(build(tmp_path, 'val'))} == {'train'}
    assert {path.split('/')[0] for path in names(build(tmp_path, 'test'))} == {'test'}
    assert (len(build(tmp_path)), len(build(tmp_path, 'val'))) == (8, 2)


@pytest.mark.parametrize('folder', ['', 'test'])
def test_pictures_without_a_class_to_test_on(tmp_path, logged, folder):
    """They stop no training, only a test."""
    draw_folder(tmp_path, {'train/a': 3, 'train/b': 3, 'val/a': 1, 'val/b': 1, folder: 3})
    assert (len(build(tmp_path)), len(build(tmp_path, 'val'))) == (6, 2)
    text = logged.text
    if not folder:
        assert f'{tmp_path}: 3 files left out: ' in text
        return
    reason = f'{tmp_path}/test has 3 pictures and no class folder with pictures'
    assert f'{reason}: left out, training does not need it' in text
    with pytest.raises(ValueError, match=f"{reason}.*; or split='val' to test on what is valid"):
        build(tmp_path, 'test')
    with pytest.raises(ValueError, match=reason):
        build(tmp_path, 'all')


@pytest.mark.parametrize('names_', [('train', 'valid'), ('Train', 'VAL'), ('TRAIN', 'Validation')])
def test_folders_without_pictures_beside_those_of_a_split(tmp_path, logged, names_):
    for name in names_:
        draw_folder(tmp_path / name, {'a': 2, 'b': 2})
    for folder in ('labels', 'meta', 'test'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'labels/x.csv').touch()
    for split, folder in zip(('train', 'val', 'test'), (*names_, names_[1]), strict=True):
        assert {path.split('/')[0] for path in names(build(tmp_path, split))} == {folder}
    lines = [record.message for record in logged.records]
    assert f'{tmp_path}: 3 folders without a picture (labels, meta, test) left out' in lines
    assert f'{tmp_path}: 1 file left out: 1 .csv, the first labels/x.csv' in lines


def test_an_empty_folder_for_validation(tmp_path, logged):
    draw_folder(tmp_path / 'train', {'a': 5, 'b': 5})
    (tmp_path / 'val/a').mkdir(parents=True)
    assert (len(build(tmp_path)), len(build(tmp_path, 'val'))) == (8, 2)
    assert '1 folders without a picture (val) left out' in logged.text


@pytest.mark.parametrize('folder', ['', 'train/'])
def test_a_class_of_damaged_pictures(tmp_path, folder):
    draw_folder(tmp_path, {f'{folder}a': 4})
    (tmp_path / f'{folder}b').mkdir()
    for i in range(4):
        (tmp_path / f'{folder}b/{i}.jpg').write_bytes(b'no picture')
    message = rf'none of the 4 pictures of class b can be read \({folder}b/0.jpg: not an image; '
    with pytest.raises(ValueError, match=message):
        build(tmp_path)


def test_the_only_whole_picture_of_a_class_is_trained_on(tmp_path):
    draw_folder(tmp_path, {'a': 4, 'b': 1})
    for i in range(8):
        (tmp_path / f'b/{i}.jpg').write_bytes(b'no picture')
    assert 'b/bild 0.png' in names(build(tmp_path))
    assert {path.split('/')[0] for path in names(build(tmp_path, 'val'))} == {'a'}


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
        '{root}/there: no picture is left to validate on: no class has two that can be read; '
        'allowed: more pictures in a class folder',
    ),
    'pictures beside a split': (
        {'train/a': 2, 'train/b': 2, 'val/a': 1, 'extra/b': 1},
        '{root}/there has pictures in extra, beside train, val; allowed: train, val, valid, ',
    ),
    'no classes to validate on': (
        {'train/a': 2, 'train/b': 2, 'val': 3},
        '{root}/there/val has 3 pictures and no class folder with pictures; allowed: DIR/CLASS',
    ),
    'two spellings of an accent': (
        {'a\u0308': 2, '\u00e4': 2, 'b': 2},
        '{root}/there: the class folders "a\\u0308" and "\\u00e4" have the same name, with its '
        'accents spelled in two ways; allowed: one folder',
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


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('nothing a/2.jpg', "'nothing a/2.jpg'; allowed: train, "),
        ('val a/1.jpg', 'a/1.jpg is val and, in an earlier line, train; allowed: one of them'),
        ('train ../../etc/x.png', '../../etc/x.png; allowed: the path of a picture from data_root'),
        ('train /etc/x.png', '/etc/x.png; allowed: the path of a picture from data_root'),
        ('train x.png', 'x.png; allowed: the path of a picture from data_root, CLASS/NAME'),
    ],
)
def test_damaged_split_file(tmp_path, line, message):
    (tmp_path / 'split.txt').write_text(f'train a/1.jpg\n{line}\n')
    with pytest.raises(ValueError, match=re.escape(f'split.txt, line 2: {message}')):
        read_split(str(tmp_path / 'split.txt'))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda side, path: ('val', path) if path[0] == 'b' else (side, path),
            'split.txt: no picture of class b is trained on (val b/',
        ),
        (
            lambda side, path: (side, path.replace('b/', 'c/')),
            ' has no picture left to train on of 1 classes in {root}/split.txt (c); allowed: the ',
        ),
        (
            lambda side, path: (side, path.replace('bild', 'photo')),
            ' has 0 of the 20 pictures in {root}/split.txt, the split of another folder; allowed: ',
        ),
    ],
)
def test_split_file_of_other_classes(tmp_path, change, message):
    root, file = draw_folder(tmp_path / 'there', {'a': 10, 'b': 10}), tmp_path / 'split.txt'
    changed = [change(side, path) for path, side in build(root).pictures.items()]
    write_split({path: side for side, path in changed}, file)
    with pytest.raises(ValueError, match=re.escape(message.format(root=tmp_path))):
        build(root, split_file=str(file))


def test_names_of_a_class_that_is_gone_stay_in_a_test(tmp_path):
    root, file = draw_folder(tmp_path / 'there', {'a': 10, 'b': 4, 'c': 10}), tmp_path / 'split.txt'
    write_split(build(root).pictures, file)
    (root / 'b').rename(tmp_path / 'b')
    assert build(root, 'test', split_file=str(file)).CLASSES == ('a', 'b', 'c')


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
    draw(other / 'a/bild 0.png')
    message = f"{other} has 1 of the 20 pictures in {file}, the split of another folder; .* 'all'"
    with pytest.raises(ValueError, match=message.replace("'all'", "split='all' to test on all")):
        build(other, 'test', split_file=str(file))
    (other / 'a/bild 0.png').unlink()
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
        (tmp_path / f'val/a/{name}.png').write_bytes(picture + b'the same')
    large = bytearray(picture + bytes(20_000))
    for i, folder in enumerate(('train/a', 'val/a')):
        large[len(picture)] = i
        (tmp_path / folder / 'large.png').write_bytes(large)
    build(tmp_path)
    lines = [record.message.removeprefix(f'{tmp_path}: ') for record in logged.records]
    twins = '(train/a/bild 0.png = val/b/copy.png)'
    assert lines == [
        f'1 pictures are trained on and tested on, under two names {twins}',
        f'1 pictures are in several classes {twins}',
    ]
