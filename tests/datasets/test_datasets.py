import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from senet_mm.datasets import Digits, ImageNet


@pytest.fixture
def folder(tmp_path):
    """train/ with classes a and b of two images each."""
    for name in ('a/0.JPEG', 'a/1.JPEG', 'b/0.JPEG', 'b/deep/1.png'):
        file = tmp_path / 'train' / name
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file.with_suffix('.png')), np.zeros((4, 4, 3), np.uint8))
        file.with_suffix('.png').rename(file)
    return tmp_path


def imagenet(root, classes='ab', **kwargs):
    metainfo = dict(classes=list(classes))
    return ImageNet(data_root=str(root), split='train', metainfo=metainfo, **kwargs)


def test_imagenet_labels_follow_the_sorted_folders(folder):
    dataset = imagenet(folder)
    assert [dataset.get_data_info(i)['gt_label'] for i in range(4)] == [0, 0, 1, 1]


def test_imagenet_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'image folder \S+/train does not exist; set data'):
        imagenet(tmp_path)


def test_imagenet_empty_class_folder(folder):
    (folder / 'train' / 'c').mkdir()
    (folder / 'train' / 'c' / 'readme.txt').touch()
    with pytest.raises(ValueError, match=r'1 class folders of \S+ have no image \(c\); allowed: '):
        imagenet(folder, classes='abc')


def test_imagenet_wrong_number_of_class_folders(folder):
    message = r'\S+ has 2 class folders \(a, b\); allowed: 1000, .* given by metainfo=dict'
    with pytest.raises(ValueError, match=message):
        ImageNet(data_root=str(folder), split='train')


def test_imagenet_label_out_of_range(folder):
    (folder / 'meta').mkdir()
    (folder / 'meta' / 'train.txt').write_text('a/0.JPEG 0\nb/0.JPEG 2\n')
    with pytest.raises(
        ValueError, match=r'/meta/train.txt:2: label 2 of b/0.JPEG is out of range; allowed: 0 to 1'
    ):
        imagenet(folder)


def test_digits_are_split_once_and_for_all():
    splits = {split: Digits(split) for split in ('train', 'test')}
    assert {split: len(dataset) for split, dataset in splits.items()} == dict(train=1257, test=540)
    seen = {
        info['img_path']: info
        for dataset in splits.values()
        for info in map(dataset.get_data_info, range(len(dataset)))
    }
    assert len(seen) == 1797  # no image is in both
    digits = load_digits()
    info = seen['digits/5']
    assert info['img'].dtype == np.uint8
    assert info['img'].shape == (8, 8, 1)
    assert info['gt_label'] == digits.target[5]
    assert np.abs(info['img'][..., 0] / 255 - digits.images[5] / 16).max() < 1 / 255
    labels = np.bincount(splits['test'].get_gt_labels())
    assert labels.min() >= 52  # stratified


def test_digits_are_those_of_scikit_learn():
    digits = load_digits()
    places = train_test_split(
        np.arange(1797), test_size=0.3, random_state=0, stratify=digits.target
    )
    for split, order in zip(('train', 'test'), places, strict=True):
        samples = Digits(split).load_data_list()
        assert [sample['img_path'] for sample in samples] == [f'digits/{i}' for i in order]
        assert [sample['gt_label'] for sample in samples] == digits.target[order].tolist()
        images = np.round(digits.images[order] * (255 / 16))
        assert (np.stack([sample['img'] for sample in samples])[..., 0] == images).all()


def test_digits_wrong_split():
    with pytest.raises(ValueError, match="split='val' is not known; allowed: train, test"):
        Digits('val')


def test_digits_that_are_left_out():
    counts = [114] * 5 + [6, 6, 6, 0, 6]
    few, whole = Digits('train', counts), Digits('train')
    assert np.bincount(few.get_gt_labels(), minlength=10).tolist() == counts
    seen = {whole.get_data_info(i)['img_path'] for i in range(len(whole))}
    assert {few.get_data_info(i)['img_path'] for i in range(len(few))} < seen


@pytest.mark.parametrize('counts', [[1] * 9, [-1] * 10, 'all', [0.5] * 10])
def test_digits_wrong_counts(counts):
    with pytest.raises(ValueError, match=r'^counts=.*; allowed: '):
        Digits('train', counts)
