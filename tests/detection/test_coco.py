"""COCO-format data and AP: what is exact must count as exact."""

import json

import pytest
import torch

from senet_mm.detection.coco import CocoData, mirror

from ..conftest import load_tool
from .scoring import Oracle, evaluate


def test_sample(sample):
    """Images, boxes and masks agree, and validation shows other photographs."""
    tool = load_tool('tools/dataset_tools/make_detection_sample.py')
    assert not set(tool.PHOTOGRAPHS['train']) & set(tool.PHOTOGRAPHS['val'])
    data = CocoData(sample, 'train', masks=True)
    assert data.classes == ['disc', 'square', 'triangle']
    assert len(data) == 96
    objects = 0
    for image, target in data:
        assert image.shape == (3, 64, 64)
        assert 0 <= image.min() <= image.max() <= 1
        for box, mask in zip(target['boxes'], target['masks'], strict=True):
            y, x = mask.nonzero(as_tuple=True)
            seen = torch.stack([x.min(), y.min(), x.max() + 1, y.max() + 1])
            assert (seen - box).abs().max() <= 1.5
            objects += 1
    assert objects > 150


def test_perfect_and_moved(sample):
    data = CocoData(sample, 'val', masks=True)
    assert evaluate(Oracle(data), data) == pytest.approx(
        dict(bbox_AP=100, bbox_AP50=100, segm_AP=100, segm_AP50=100)
    )
    moved = evaluate(Oracle(data, 2.0), data)
    assert moved['bbox_AP'] < 70
    assert evaluate(Oracle(data, 500.0), data)['bbox_AP50'] == 0


def test_nothing_found(sample):
    data = CocoData(sample, 'val')
    blind = Oracle([])
    blind.forward = lambda images: [
        {key: torch.zeros(0, 4) for key in ('boxes', 'labels', 'scores')}
    ]
    assert evaluate(blind, data) == dict(bbox_AP=0, bbox_AP50=0)


def test_mirror(sample):
    image, target = CocoData(sample, 'train', masks=True)[0]
    mirrored_image, mirrored = mirror(image, target)
    assert torch.equal(mirrored_image.flip(-1), image)
    assert not torch.equal(mirrored['boxes'], target['boxes'])
    again, back = mirror(mirrored_image, mirrored)
    torch.testing.assert_close(again, image)
    torch.testing.assert_close(back['boxes'], target['boxes'])
    torch.testing.assert_close(back['masks'], target['masks'])


def test_missing_annotations(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'instances_train\.json do not exist'):
        CocoData(tmp_path, 'train')


def test_categories_need_not_be_consecutive(sample, tmp_path):
    """COCO's numbers have gaps; labels have none, and results go back to the numbers."""
    content = json.loads((sample / 'annotations/instances_val.json').read_text())
    for item in content['annotations']:
        item['category_id'] *= 10
    for category in content['categories']:
        category['id'] *= 10
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'annotations/instances_val.json').write_text(json.dumps(content))
    (tmp_path / 'val').symlink_to(sample / 'val')
    data = CocoData(tmp_path, 'val')
    assert {label for _, target in data for label in target['labels'].tolist()} == {1, 2, 3}
    assert evaluate(Oracle(data), data)['bbox_AP'] == pytest.approx(100)
