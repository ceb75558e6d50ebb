import pytest
import torchvision

from senet_mm.datasets import Places365

TRAIN = '/a/airfield/00000001.jpg 0\n/b/bakery/shop/00000002.jpg 364\n'


@pytest.fixture
def root(tmp_path):
    """The files of the release, in the layout of torchvision's Places365."""
    names = ['/a/airfield', *(f'/x/scene{i}' for i in range(1, 364)), '/b/bakery/shop']
    lines = [f'{name} {i}\n' for i, name in enumerate(names)]
    (tmp_path / 'categories_places365.txt').write_text(''.join(reversed(lines)))
    (tmp_path / 'places365_train_standard.txt').write_text(TRAIN)
    (tmp_path / 'places365_val.txt').write_text('Places365_val_00000001.jpg 7\n')
    for folder in ('data_256_standard', 'val_256', 'val_large'):
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.mark.parametrize(('split', 'size'), [('train-standard', '256'), ('val', 'large')])
def test_paths_and_labels_are_torchvisions(root, split, size, monkeypatch):
    """torchvision compares the hashes of the released lists first."""
    peer_class = torchvision.datasets.Places365
    monkeypatch.setattr(peer_class, '_check_integrity', lambda *_: True)
    peer = peer_class(root, split=split, small=size == '256')
    ours = Places365(str(root), split=split, size=size)
    infos = [ours.get_data_info(i) for i in range(len(ours))]
    assert [(info['img_path'], info['gt_label']) for info in infos] == peer.imgs


def test_classes(root):
    classes = Places365(str(root), 'val').CLASSES
    assert len(classes) == 365
    assert (classes[0], classes[364]) == ('airfield', 'bakery/shop')


@pytest.mark.parametrize(
    ('kwargs', 'file', 'text', 'error', 'message'),
    [
        (dict(split='test'), None, '', ValueError, "split='test' is not known; allowed: train-sta"),
        (dict(split='val', size='big'), None, '', ValueError, "size='big' is not known; allowed"),
        (
            dict(split='train-challenge'), None, '', FileNotFoundError,
            r'train_challenge.txt does not exist; set data_root \(now .*\) to the folder',
        ),
        (
            dict(split='val'), 'categories_places365.txt', '/a/airfield 0\n', ValueError,
            'has 1 categories; allowed: 365',
        ),
        (
            dict(split='val'), 'places365_val.txt', 'a.jpg 365\n', ValueError,
            'val.txt:1: label 365 of a.jpg is out of range; allowed: 0 to 364',
        ),
        (
            dict(split='val'), 'categories_places365.txt', '/a/airfield\n', ValueError,
            "txt:1: line '/a/airfield' has no label that is a number.*; allowed: PATH, then",
        ),
        (
            dict(split='val'), 'places365_val.txt', 'a.jpg\n', ValueError,
            "val.txt:1: line 'a.jpg' does not end with a number or a class",
        ),
    ],
)  # fmt: skip
def test_mistakes(root, kwargs, file, text, error, message):
    if file:
        (root / file).write_text(text)
    with pytest.raises(error, match=message):
        Places365(str(root), **kwargs)
