"""Annotation files as people make them: read right, or refused with their line."""

import codecs
import os

import pytest

from senet_mm.datasets import CustomDataset, ImageNet, Places365
from senet_mm.datasets.labels import read_annotations
from senet_mm.datasets.text_lines import read_lines
from senet_mm.utils.errors import UserError

CLASSES = ('cat', 'tiger cat', '3rd', 'room 1', 'café')
PLAIN = [('a.png', 0), ('b 1.png', 2)]

READ = {
    'plain': b'a.png 0\nb 1.png 2\n',
    'no line end': b'a.png 0\nb 1.png 2',
    'blank lines': b'\na.png 0\n\n  \t\nb 1.png 2\n\n',
    'Windows': b'a.png 0\r\nb 1.png 2\r\n',
    'old Macintosh': b'a.png 0\rb 1.png 2\r',
    'tabs': b'a.png\t0\nb 1.png\t2\n',
    'commas': b'a.png,0\nb 1.png, 2\n',
    'spaces around': b'  a.png   0  \nb 1.png  2\t\n',
    'byte order mark': codecs.BOM_UTF8 + b'a.png 0\nb 1.png 2\n',
    'UTF-16': 'a.png 0\r\nb 1.png 2\r\n'.encode('utf-16'),
    'big endian': codecs.BOM_UTF16_BE + 'a.png 0\nb 1.png 2\n'.encode('utf-16-be'),
    'names': b'a.png cat\nb 1.png 3rd\n',
    'names and tabs': b'a.png\tcat\nb 1.png\t3rd\n',
}
B = ('b.png', 0)
PAIR, ROOM = [('a.png', 1), B], [('a.png', 3), ('b.png', 2)]
ODD = {
    'comma in a name': (b'a,b.png 1\n', [('a,b.png', 1)]),
    'tab in a name': (b'a\tb.png 1\n', [('a\tb.png', 1)]),
    'class of two words': (b'a.png,tiger cat\nb\ttiger cat\n', [('a.png', 1), ('b', 1)]),
    'class that ends with a number': (b'a.png,room 1\n', [('a.png', 3)]),
    'class that begins with a number': (b'1 a.png 3rd\n', [('1 a.png', 2)]),
    'another alphabet': ('bär.png 1\n'.encode(), [('bär.png', 1)]),
    'U+2028 in a name': ('a\u2028b.png 1\n'.encode(), [('a\u2028b.png', 1)]),
    'class of two words after a space': (b'a.png tiger cat\n', [('a.png', 1)]),
    'the same after spaces, with a path of two words': (b'a b.png  tiger cat\n', [('a b.png', 1)]),
    'a class whose last word is another': (b'a.png tiger cat\nb.png cat\n', PAIR),
    'a path that ends with a word of a class': (b'a tiger\tcat\n', [('a tiger', 0)]),
    'an accent in two characters': (b'a.png caf' + b'e\xcc\x81\n', [('a.png', 4)]),
    'one class by name, with a number behind': (b'a.png room 1\nb.png 3rd\n', ROOM),
    'numbers of a path that ends with a class': (b'my room 1\nb.png 0\n', [('my room', 1), B]),
}  # fmt: skip
REFUSED = {
    'header': (b'file,label\na.png,0\n', ":1: line 'file,label' does not end with a number or a"),
    'header of numbers': (b'a 0\nb x\n', ":2: line 'b x' has no label that is a number"),
    'unknown name': (b'\na cat\nb dog\n', ":3: line 'b dog' does not end with .* class"),
    'no label': (b'a.png\n', ":1: line 'a.png' does not end with a number or a class (cat, tiger"),
    'two labels': (b'a.png 0,1\n', ":1: line 'a.png 0,1' has more than one label"),
    'two labels with a space': (b'a.png 0 1\n', ":1: line 'a.png 0 1' has more than one label"),
    'two names': (b'a.png cat\tcat\n', r":1: line 'a.png cat\\tcat' has more than one label"),
    'Latin-1': ('a 0\r\nbär 1\n'.encode('latin-1'), ':2: byte 0xe4 is no UTF-8; allowed: text in'),
    'too large': (b'a.png 0\nb.png 5\n', ':2: label 5 of b.png is out of range; allowed: 0 to 4'),
    'negative': (b'a.png 0\na.png -1\n', ":2: line 'a.png -1' has no label that is a number"),
    'fraction': (b'a.png 0\na.png 1.0\n', ":2: line 'a.png 1.0' has no label that is a number"),
    'other digits': ('a.png 0\na.png ٣\n'.encode(), ':2: line .* has no label that is a number'),
    'quotes': (b'"a.png",0\n', r""":1: line '"a.png",0' is quoted"""),
    'zero byte': ('a.png 0\n'.encode('utf-16-le'), ':1: a zero byte; allowed: text in UTF-8, or'),
    'half of UTF-16': (codecs.BOM_UTF16_LE + b'a\0b', ' is not text: .* allowed: UTF-8, UTF-16'),
    'JSON': (b'{"a.png": 0}\n', ':1: line .* does not end with a number or a class'),
    'empty': (b'', ' has no line; allowed: PATH, then'),
}  # fmt: skip


@pytest.mark.parametrize('name', READ)
def test_files_that_are_read(name, tmp_path):
    file = tmp_path / 'train.txt'
    file.write_bytes(READ[name])
    assert read_annotations(str(file), CLASSES) == PLAIN
    if 'names' not in name:
        assert read_annotations(str(file), None) == PLAIN


@pytest.mark.parametrize('name', ODD)
def test_odd_names(name, tmp_path):
    file = tmp_path / 'train.txt'
    file.write_bytes(ODD[name][0])
    assert read_annotations(str(file), CLASSES) == ODD[name][1]


def build(kind, root, **kwargs):
    """A data set of each kind on ``root/meta/train.txt``."""
    if kind == 'CustomDataset':
        return CustomDataset(str(root), 'train', 'meta/train.txt', classes=CLASSES, **kwargs)
    return ImageNet(str(root), 'train', metainfo=dict(classes=CLASSES), **kwargs)


@pytest.fixture
def root(tmp_path):
    (tmp_path / 'meta').mkdir()
    (tmp_path / 'train').mkdir()
    return tmp_path


@pytest.mark.parametrize('kind', ['CustomDataset', 'ImageNet'])
@pytest.mark.parametrize('name', REFUSED)
def test_files_that_are_refused(kind, name, root):
    data, message = REFUSED[name]
    (root / 'meta/train.txt').write_bytes(data)
    pattern = message.replace('(cat', r'\(cat')
    with pytest.raises(ValueError, match=f'^{root}/meta/train.txt{pattern}'):
        build(kind, root)


@pytest.mark.parametrize('kind', ['CustomDataset', 'ImageNet'])
def test_data_sets_use_the_reader(kind, root):
    for data in READ.values():
        (root / 'meta/train.txt').write_bytes(data)
        dataset = build(kind, root, serialize_data=False)
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        seen = [(info['img_path'], info['gt_label']) for info in infos]
        assert seen == [(f'{root}/train/{path}', label) for path, label in PLAIN]


def test_lists_without_labels(root):
    (root / 'meta/train.txt').write_bytes(codecs.BOM_UTF8 + b'a.png\r\n\r\nb 1.png\r\n')
    dataset = build('CustomDataset', root, with_label=False)
    infos = [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]
    assert infos == [f'{root}/train/a.png', f'{root}/train/b 1.png']


OUTSIDE = ['../a.png', 'b/../../a.png', '/etc/passwd', '..']


@pytest.mark.parametrize('path', OUTSIDE)
@pytest.mark.parametrize('with_label', [True, False])
def test_a_path_that_leads_out_of_the_folder(root, path, with_label):
    line = f'{path} 1' if with_label else path
    (root / 'meta/train.txt').write_text(f'a..b.png{" 1" * with_label}\n{line}\n')
    message = f'^{root}/meta/train.txt: {path} leads out of {root}/train; allowed: files in it'
    with pytest.raises(UserError, match=message):
        build('CustomDataset', root, with_label=with_label)


@pytest.mark.parametrize('path', ['{root}/train/a.png', 'b/../a.png', '..a.png'])
def test_a_path_that_stays_in_the_folder(root, path):
    (root / 'meta/train.txt').write_text(f'{path.format(root=root)} 1')
    assert build('CustomDataset', root).get_data_info(0)['gt_label'] == 1


def test_a_prefix_that_holds_all_paths(root):
    (root / 'meta/train.txt').write_text(f'{root}/a.png 1')
    dataset = CustomDataset('', '/', str(root / 'meta/train.txt'), classes=CLASSES)
    assert dataset.get_data_info(0)['img_path'] == f'{root}/a.png'


def test_places365_use_the_reader(tmp_path):
    names = ''.join(f'/a/scene{i} {i}\r\n' for i in range(365))
    (tmp_path / 'categories_places365.txt').write_bytes(codecs.BOM_UTF8 + names.encode())
    (tmp_path / 'places365_val.txt').write_text('\na b.jpg\t7\n')
    (tmp_path / 'val_256').mkdir()
    dataset = Places365(str(tmp_path), 'val')
    assert dataset.CLASSES[0] == 'scene0'
    info = dataset.get_data_info(0)
    assert (info['img_path'], info['gt_label']) == (f'{tmp_path}/val_256/a b.jpg', 7)
    (tmp_path / 'places365_val.txt').write_text('/../a.jpg\t7\n')
    with pytest.raises(UserError, match=r'val.txt: \.\./a.jpg leads out of .*/val_256; a'):
        Places365(str(tmp_path), 'val')


@pytest.mark.parametrize('how', ['classes', 'metainfo'])
def test_names_of_classes_from_a_file(how, root):
    (root / 'names.txt').write_bytes(codecs.BOM_UTF8 + b'cat\r\ntiger cat\r\n\r\n')
    (root / 'meta/train.txt').write_text('a.png,tiger cat\nb.png cat\n')
    file = str(root / 'names.txt')
    given = dict(classes=file) if how == 'classes' else dict(metainfo=dict(classes=file))
    dataset = CustomDataset(str(root), 'train', 'meta/train.txt', **given)
    assert dataset.CLASSES == ('cat', 'tiger cat')
    assert dataset.get_gt_labels().tolist() == [1, 0]


@pytest.mark.parametrize('how', ['classes', 'metainfo'])
@pytest.mark.parametrize(
    ('classes', 'message'),
    [
        ('none.txt', "classes='none.txt': there is no such file; allowed: a list of names, or"),
        (3, 'classes=3; allowed: a list of names'),
    ],
)
def test_classes_that_are_none(how, classes, message, root):
    given = dict(classes=classes) if how == 'classes' else dict(metainfo=dict(classes=classes))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        CustomDataset(str(root), 'train', 'meta/train.txt', **given)


def test_classes_given_twice(root):
    given = dict(classes=['a', 'b'], metainfo=dict(classes=['b', 'a']))
    with pytest.raises(ValueError, match=r'classes \(a, b\) and metainfo.classes \(b, a\) differ'):
        CustomDataset(str(root), 'train', 'meta/train.txt', **given)


def test_names_without_given_classes(root):
    (root / 'meta/train.txt').write_text('a.png cat\n')
    with pytest.raises(ValueError, match=r'txt:1: .* no names of classes are given \(metainfo='):
        CustomDataset(str(root), 'train', 'meta/train.txt')


def test_numbers_of_lines_count_the_blank_ones(tmp_path):
    (tmp_path / 'a.txt').write_text('\n\na 0\n')
    assert read_lines(str(tmp_path / 'a.txt')) == [(3, 'a 0')]


DIGITS = {
    'names': (('2', '10'), 'a 10\nb 2\n', [1, 0]),
    'the same as numbers': (tuple('0123'), 'a 0\nb 3\n', [0, 3]),
    'another order': (tuple('10'), 'a 0\nb 1\n', [1, 0]),
    'shifted by one': (tuple('123'), 'a 1\nb 2\n', [0, 1]),
    'integers in a config': ((2, 10), 'a 10\nb 2\n', [1, 0]),
    'digits at the end': (('room 1', 'room 0'), 'a room 1\nb room 0\n', [0, 1]),
}
AMBIGUOUS = ('another order', 'shifted by one', 'digits at the end')


@pytest.mark.parametrize('name', DIGITS)
def test_names_that_are_digits_are_names(name, tmp_path, logged):
    """A line says so where a number would be another class."""
    classes, text, labels = DIGITS[name]
    (tmp_path / 'a.txt').write_text(text)
    rows = read_annotations(str(tmp_path / 'a.txt'), classes)
    assert rows == list(zip('ab', labels, strict=True))
    assert logged.text.count('a.txt:1: labels are read as names') == (name in AMBIGUOUS)


def test_a_number_beside_names_that_are_digits(tmp_path):
    (tmp_path / 'a.txt').write_text('a 1\nb 0\n')
    message = r"txt:2: line 'b 0' does not end with a class \(1, 2\); labels are names here"
    with pytest.raises(ValueError, match=message):
        read_annotations(str(tmp_path / 'a.txt'), ('1', '2'))


def test_a_name_of_two_classes(tmp_path):
    (tmp_path / 'a.txt').write_text('a dog\nb cat\n')
    with pytest.raises(ValueError, match="txt:2: several classes are named 'cat'; allowed"):
        read_annotations(str(tmp_path / 'a.txt'), ('cat', 'dog', 'cat'))


def test_a_fifo_in_the_place_of_a_list(root):
    """Of labels, of names and of Places365: opening it would wait for ever."""
    os.mkfifo(root / 'meta/train.txt')
    for build_one in (
        lambda: build('CustomDataset', root),
        lambda: build('ImageNet', root),
        lambda: CustomDataset(str(root), 'train', classes=str(root / 'meta/train.txt')),
    ):
        with pytest.raises(ValueError, match=r'meta/train.txt is a fifo; allowed: a regular file'):
            build_one()
    (root / 'val_256').mkdir()
    os.mkfifo(root / 'categories_places365.txt')
    (root / 'places365_val.txt').write_text('a.jpg 0')
    with pytest.raises(ValueError, match=r'categories_places365.txt is a fifo'):
        Places365(str(root), 'val')
