"""Annotation files as people make them: mended with a line, or refused with their place."""

import copy
import json

import numpy as np
import pytest
import torch
from PIL import Image

from senet_mm.detection.coco import CocoData

from .scoring import Oracle, evaluate

OUTLINE = [10, 10, 30, 10, 30, 40]


def content():
    """Two images of different sizes with a box each."""
    return dict(
        images=[
            dict(id=7, file_name='a.png', width=64, height=48),
            dict(id=9, file_name='deep/b.png', width=80, height=64),
        ],
        categories=[dict(id=3, name='cat'), dict(id=8, name='dog')],
        annotations=[
            dict(id=0, image_id=7, category_id=8, bbox=[10, 10, 20, 30], segmentation=[OUTLINE]),
            dict(id=5, image_id=9, category_id=3, bbox=[0, 0, 30, 30], segmentation=[OUTLINE]),
        ],
    )


def write(root, split, given):
    """A data set with these annotations; the images are of the sizes in :func:`content`."""
    (root / 'annotations').mkdir(exist_ok=True)
    text = given if isinstance(given, str) else json.dumps(given)
    (root / f'annotations/instances_{split}.json').write_text(text)
    for image in content()['images']:
        path = root / split / image['file_name']
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = np.full((image['height'], image['width'], 3), 99, np.uint8)
        Image.fromarray(picture).save(path)
    return root


def changed(path, value):
    """:func:`content` with another value at ``images.0.width``; None takes it away."""
    given = copy.deepcopy(content())
    *parents, last = (int(part) if part.isdecimal() else part for part in path.split('.'))
    item = given
    for parent in parents:
        item = item[parent]
    if value is None:
        del item[last]
    else:
        item[last] = value
    return given


def test_what_is_missing_is_filled_in(tmp_path):
    """Areas and ``iscrowd`` for pycocotools; number 0, which it would take for "no match"."""
    data = CocoData(write(tmp_path, 'val', content()), 'val', masks=True)
    assert data.classes == ['cat', 'dog']
    assert [target['labels'].tolist() for _, target in data] == [[2], [1]]
    assert evaluate(Oracle(data), data) == pytest.approx(
        dict(bbox_AP=100, bbox_AP50=100, segm_AP=100, segm_AP50=100)
    )


@pytest.mark.parametrize(
    'path',
    ['images.0.width', 'images.0.height', 'annotations.0.area', 'annotations.0.iscrowd'],
)
@pytest.mark.parametrize('has_null', [False, True])
def test_null_is_missing(path, has_null, tmp_path):
    given = changed(path, 0)
    part, number, key = path.split('.')
    if has_null:
        given[part][int(number)][key] = None
    else:
        del given[part][int(number)][key]
    data = CocoData(write(tmp_path, 'val', given), 'val', masks=True)
    assert [target['labels'].tolist() for _, target in data] == [[2], [1]]
    assert list(evaluate(Oracle(data), data).values()) == pytest.approx([100] * 4)


def test_an_image_without_boxes_and_a_crowd(tmp_path):
    given = changed('annotations.1.iscrowd', 1)
    data = CocoData(write(tmp_path, 'train', given), 'train', masks=True, mirror=True)
    image, target = data[1]
    assert target['boxes'].shape == (0, 4)
    assert target['masks'].shape == (0, *image.shape[1:])


def test_masks_only_where_they_are_needed(tmp_path):
    root = write(tmp_path, 'train', changed('annotations.1.segmentation', None))
    assert 'masks' not in CocoData(root, 'train')[0][1]
    with pytest.raises(ValueError, match=r'annotation 5 of deep/b.png has no mask in segmentation'):
        CocoData(root, 'train', masks=True)


WRONG = {
    'not JSON': ('{', 'instances_train.json are not JSON'),
    'nested': ('[' * 100_000, 'instances_train.json are not JSON'),
    'a list': ('[]', 'have no list of images; needed: '),
    'no annotations': (changed('annotations', None), 'have no list of annotations'),
    'no categories': (changed('categories', []), 'have no categories'),
    'no box': (changed('annotations', [changed('annotations.0.bbox', [1, 1, 0, 0])[
        'annotations'][0]]), 'has no box with an area; allowed: one and more'),
    'crowds alone': (changed('annotations', [dict(item, iscrowd=1) for item in content()[
        'annotations']]), 'train.json has no box but crowds; allowed: one and more'),
    'number of an image twice': (changed('images.1.id', 7), 'image 2 of the list has id=7'),
    'image without number': (changed('images.0.id', None), 'image 1 of the list has id=None'),
    'number is text': (changed('images.0.id', '7'), "id='7'; allowed: a whole number, each once"),
    'number is true': (changed('images.0.id', True), 'id=True; allowed: a whole number'),
    'number is a list': (changed('images.0.id', [1]), r'image 1 of the list has id=\[1\]'),
    'unknown image': (changed('annotations.0.image_id', 1), 'annotation 0 has image_id=1, which'),
    'no image': (changed('annotations.0.image_id', None), 'image_id=None; allowed: a whole number'),
    'image is text': (changed('annotations.0.image_id', '7'), "image_id='7'; allowed: a whole n"),
    'category is true': (changed('annotations.0.category_id', True), 'category_id=True; allowed'),
    'unknown category': (changed('annotations.1.category_id', 4), '5 has category_id=4, which'),
    'category twice': (changed('categories.1.name', 'cat'), "category name 'cat'; allowed: a text"),
    'no name': (changed('categories.1.name', None), 'category name None; allowed: a text'),
    'no bbox': (changed('annotations.0.bbox', None), '0 of a.png has bbox=None; allowed: x, y'),
    'three numbers': (changed('annotations.0.bbox', [1, 2, 3]), r'a.png has bbox=\[1, 2, 3\]'),
    'NaN': (changed('annotations.0.bbox', [1, 2, 3, float('nan')]), 'a.png has bbox=.*nan'),
    'text': (changed('annotations.0.bbox', [1, 2, 3, '4']), 'a.png has bbox='),
    'far box': (changed('annotations.0.bbox', [0, 0, 1e39, 10]), 'each within .-100000'),
    'far number': (changed('annotations.0.bbox', [-(10**400), 0, 9, 9]), 'each within .-100000'),
    'true': (changed('annotations.0.bbox', [1, 2, 3, True]), 'a.png has bbox='),
    'no file name': (changed('images.0.file_name', None), 'image 7 has file_name=None; allowed'),
    'file is missing': (changed('images.0.file_name', 'c.png'), '1 of 2 images are not in .*c.png'),
    'file outside': (changed('images.0.file_name', '../../a.png'), "'../../a.png', which is outsi"),
    'absolute path': (changed('images.0.file_name', '/etc/passwd'), 'passwd.*, which is outside'),
    'zero byte in a name': (changed('images.0.file_name', 'a\0.png'), '1 of 2 images are not in'),
    'width 0': (changed('images.0.width', 0), r'image 7 \(a.png\) has width=0; allowed: from 1'),
    'width is true': (changed('images.0.width', True), r'image 7 \(a.png\) has width=True'),
    'two points': (changed('annotations.0.segmentation', [[1, 1, 2, 2]]), 'no mask in '),
    'far outline': (changed('annotations.0.segmentation', [[0, 0, 9e9, 0, 0, 9e9]]), 'no mask in '),
}  # fmt: skip


@pytest.mark.parametrize('name', WRONG)
def test_wrong_files_are_refused(name, tmp_path):
    given, message = WRONG[name]
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        CocoData(write(tmp_path, 'train', given), 'train', masks=True)


def test_validation_has_the_labels_of_training_by_name(tmp_path):
    given = content()
    given['categories'] = [dict(id=3, name='dog'), dict(id=8, name='cat')]
    train = CocoData(write(tmp_path, 'train', content()), 'train')
    val = CocoData(write(tmp_path, 'val', given), 'val', metainfo=train.metainfo)
    assert val.classes == ['cat', 'dog']
    assert [target['labels'].tolist() for _, target in val] == [[1], [2]]
    assert evaluate(Oracle(val), val)['bbox_AP'] == pytest.approx(100)
    given['categories'][0]['name'] = 'Dog'
    with pytest.raises(ValueError, match=r"training data do not have: 'Dog' \(there: 'dog'\)"):
        CocoData(write(tmp_path, 'val', given), 'val', metainfo=train.metainfo)


def test_validation_without_a_class_of_training(tmp_path):
    """What is found of the class that is not there does not count, and does not end the work."""
    given = content()
    given['categories'].pop(0)
    given['annotations'].pop()
    data = CocoData(write(tmp_path, 'val', given), 'val', metainfo=dict(classes=['cat', 'dog']))

    class Both(Oracle):
        def forward(self, images):
            boxes = torch.tensor([[10.0, 10, 30, 40], [10.0, 10, 30, 40]])
            return [dict(boxes=boxes, labels=torch.tensor([1, 2]), scores=torch.tensor([0.9, 0.8]))]

    assert evaluate(Both([]), data)['bbox_AP50'] == pytest.approx(100)


@pytest.mark.parametrize(
    ('data', 'message'),
    [(b'GIF', 'a.png: not an image'), (b'', 'a.png: the file is empty'),
     (None, 'a.png is 32 x 20 pixels; its annotations say 64 x 48')],
)  # fmt: skip
def test_images_that_do_not_fit_are_found_at_the_start(data, message, tmp_path):
    root = write(tmp_path, 'train', content())
    if data is not None:
        (root / 'train/a.png').write_bytes(data)
    else:
        Image.new('RGB', (32, 20)).save(root / 'train/a.png')
    with pytest.raises(ValueError, match=message):
        CocoData(root, 'train')


def test_images_that_are_cut_off_are_found_when_all_are_read(tmp_path):
    path = write(tmp_path, 'val', content()) / 'val/deep/b.png'
    data = CocoData(tmp_path, 'val')
    data.check_images()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r'val/deep/b\.png: the file is cut off'):
        CocoData(tmp_path, 'val').check_images()
