"""Annotation files as people make them: read right, or refused with their line."""

import codecs

import pytest

from senet_mm.datasets import CustomDataset, ImageNet, Places365
from senet_mm.datasets.labels import read_annotations
from senet_mm.datasets.text_lines import read_lines

CLASSES = ('cat', 'tiger cat', '3rd', 'room 1')
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
ODD = {
    'comma in a name': (b'a,b.png 1\n', [('a,b.png', 1)]),
    'tab in a name': (b'a\tb.png 1\n', [('a\tb.png', 1)]),
    'class of two words': (b'a.png,tiger cat\nb\ttiger cat\n', [('a.png', 1), ('b', 1)]),
    'class that ends with a number': (b'a.png,room 1\n', [('a.png', 3)]),
    'class that begins with a number': (b'1 a.png 3rd\n', [('1 a.png', 2)]),
    'another alphabet': ('bär.png 1\n'.encode(), [('bär.png', 1)]),
    'U+2028 in a name': ('a\u2028b.png 1\n'.encode(), [('a\u2028b.png', 1)]),
    'bytes that are no UTF-8': (b'a\xff.png 1\n', [('a\udcff.png', 1)]),
}  # fmt: skip
REFUSED = {
    'header': (b'file,label\na.png,0\n', ":1: line 'file,label' does not end with a number or a"),
    'header of numbers': (b'a 0\nb x\n', ":2: line 'b x' has no label that is a number"),
    'unknown name': (b'\na cat\nb dog\n', ":3: line 'b dog' does not end with .* class"),
    'no label': (b'a.png\n', ":1: line 'a.png' does not end with a number or a class (cat, tiger"),
    'two labels': (b'a.png 0,1\n', ":1: line 'a.png 0,1' has more than one label"),
    'two labels with a space': (b'a.png 0 1\n', ":1: line 'a.png 0 1' has more than one label"),
    'too large': (b'a.png 0\nb.png 4\n', ':2: label 4 of b.png is out of range; allowed: 0 to 3'),
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


def test_places365_use_the_reader(tmp_path):
    names = ''.join(f'/a/scene{i} {i}\r\n' for i in range(365))
    (tmp_path / 'categories_places365.txt').write_bytes(codecs.BOM_UTF8 + names.encode())
    (tmp_path / 'places365_val.txt').write_text('\na b.jpg\t7\n')
    (tmp_path / 'val_256').mkdir()
    dataset = Places365(str(tmp_path), 'val')
    assert dataset.CLASSES[0] == 'scene0'
    info = dataset.get_data_info(0)
    assert (info['img_path'], info['gt_label']) == (f'{tmp_path}/val_256/a b.jpg', 7)


def test_names_of_classes_from_a_file(root):
    (root / 'names.txt').write_bytes(codecs.BOM_UTF8 + b'cat\r\ntiger cat\r\n\r\n')
    (root / 'meta/train.txt').write_text('a.png,tiger cat\n')
    dataset = CustomDataset(str(root), 'train', 'meta/train.txt', classes=str(root / 'names.txt'))
    assert dataset.CLASSES == ('cat', 'tiger cat')
    assert dataset.get_data_info(0)['gt_label'] == 1


def test_names_without_given_classes(root):
    (root / 'meta/train.txt').write_text('a.png cat\n')
    with pytest.raises(ValueError, match=r'txt:1: .* no names of classes are given \(metainfo='):
        CustomDataset(str(root), 'train', 'meta/train.txt')


def test_numbers_of_lines_count_the_blank_ones(tmp_path):
    (tmp_path / 'a.txt').write_text('\n\na 0\n')
    assert read_lines(str(tmp_path / 'a.txt')) == [(3, 'a 0')]
