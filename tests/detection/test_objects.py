"""Boxes, areas and crowds as people write them: clipped, completed, or refused."""

import re

import pytest

from senet_mm.detection.coco import CocoData

from .scoring import Oracle, evaluate
from .test_annotations import changed, content, write


@pytest.mark.parametrize('crowd', [0, 1, False, True, 0.0, 1.0])
def test_crowds(crowd, tmp_path):
    root = write(tmp_path, 'train', changed('annotations.1.iscrowd', crowd))
    data = CocoData(root, 'train')
    assert [len(target['boxes']) for _, target in data] == [1, 0 if crowd else 1]
    assert evaluate(Oracle(data), data)['bbox_AP'] == pytest.approx(100)


@pytest.mark.parametrize(
    ('key', 'value', 'allowed'),
    [
        *(('iscrowd', value, '0, 1') for value in ('0', 'no', 2, -1, float('nan'), [])),
        *(('area', value, '0 to 1') for value in ('big', -1, float('inf'), 10**300, True)),
    ],
)
def test_wrong_values_are_refused(key, value, allowed, tmp_path):
    root = write(tmp_path, 'val', changed(f'annotations.0.{key}', value))
    place = f'val.json: annotation 0 of a.png has {key}={value!r}; allowed: {allowed}'
    with pytest.raises(ValueError, match=re.escape(place)):
        CocoData(root, 'val')


@pytest.mark.parametrize('has_size', [True, False])
@pytest.mark.parametrize(
    'box',
    [[5, 5, 9, 0], [5, 5, 0, 9], [5, 5, -4, 9], [64, 0, 5, 5], [0, 48, 5, 5], [-9, -9, 5, 5],
     [40, 5, 1e-6, 9]],
    ids=['height 0', 'width 0', 'negative', 'right of the image', 'below', 'above', 'tiny'],
)  # fmt: skip
def test_boxes_without_an_area_are_left_out_and_counted(box, has_size, tmp_path, capsys):
    given = content() if has_size else changed('images.0.width', None)
    given['annotations'].append(dict(id=6, image_id=7, category_id=3, bbox=box))
    data = CocoData(write(tmp_path, 'train', given), 'train')
    line = 'instances_train.json: 1 boxes without an area are left out, the first of a.png'
    assert line in capsys.readouterr().out
    assert [len(target['boxes']) for _, target in data] == [1, 1]


@pytest.mark.parametrize('mirror', [False, True])
@pytest.mark.parametrize(
    ('box', 'corners'),
    [
        ([0, 0, 1e5, 1e5], [0, 0, 64, 48]),
        ([-10, -1000, 20, 1010], [0, 0, 10, 10]),
        ([60, 40, 5, 5], [60, 40, 64, 45]),
    ],
)
def test_boxes_are_clipped_to_the_image(box, corners, mirror, tmp_path, capsys):
    root = write(tmp_path, 'train', changed('annotations.0.bbox', box))
    data = CocoData(root, 'train', mirror=mirror)
    line = '1 boxes reach out of their images and are clipped, the first of a.png'
    assert line in capsys.readouterr().out
    x1, y1, x2, y2 = corners
    expected = [corners, [64 - x2, y1, 64 - x1, y2]] if mirror else [corners]
    for _ in range(4):
        assert data[0][1]['boxes'].tolist()[0] in expected
    assert data.coco.loadAnns([1])[0]['area'] == (x2 - x1) * (y2 - y1)


def test_boxes_at_the_border_are_not_clipped(tmp_path, capsys):
    """127.7 + 0.3 is more than 128 in Python."""
    CocoData(write(tmp_path, 'train', changed('annotations.0.bbox', [0, 0, 64.0001, 48])), 'train')
    assert not capsys.readouterr().out
