"""Pictures of detections: labels that do not overlap, ground truth beside what was found."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from senet_mm.detection import boxes
from senet_mm.detection.coco import CocoData
from senet_mm.detection.placement import Rectangle, place_labels
from senet_mm.utils.figures import STYLE

from .scoring import Oracle
from .test_annotations import content, write

AREA = Rectangle(0, 0, 100, 60)


@pytest.mark.parametrize('count', [1, 6, 25])
def test_labels_do_not_overlap(count):
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, [60, 40], (count, 2))
    places = place_labels(
        [Rectangle(x, y, x + 25, y + 15) for x, y in corners], [(20, 6)] * count, AREA
    )
    assert None not in places
    for one, other in itertools.combinations(places, 2):
        assert not one.overlaps(other)
    for place in places:
        assert 0 <= place.left < place.right <= 100
        assert 0 <= place.top < place.bottom <= 60


def test_a_label_stands_on_its_box():
    box = Rectangle(30, 20, 60, 40)
    assert place_labels([box], [(20, 6)], AREA) == [Rectangle(30, 14, 50, 20)]
    first, second = place_labels([box, box], [(20, 6)] * 2, AREA)
    assert second == Rectangle(40, 14, 60, 20) or not first.overlaps(second)


def test_labels_without_a_place_are_told():
    box = Rectangle(0, 0, 10, 10)
    assert place_labels([box], [(101, 6)], AREA) == [None]
    assert place_labels([box] * 3, [(100, 30)] * 3, AREA).count(None) == 2


def drawn(monkeypatch, data, detector, **kwargs):
    """The texts of each panel, and what was drawn as boxes."""
    panels = []
    draw = boxes._draw
    monkeypatch.setattr(boxes, '_draw', lambda axes, own: (draw(axes, own), panels.append(axes)))
    boxes.draw_boxes(detector, data, **kwargs)
    return panels


def test_truth_and_detections_of_images_of_several_sizes(tmp_path, monkeypatch):
    given = content()
    given['categories'][0]['name'] = 'a $cat$ \x1b[31m'
    data = CocoData(write(tmp_path, 'val', given), 'val')
    path = tmp_path / 'boxes.png'
    panels = drawn(monkeypatch, data, Oracle(data, 2.0), path=path)
    assert Image.open(path).width == int(2 * boxes.PANEL * STYLE['savefig.dpi'])
    texts = [[text.get_text() for text in axes.texts] for axes in panels]
    assert texts[0] == ['dog', 'dog 1.00']
    assert '$cat$' in texts[1][0]
    assert '\x1b' not in ''.join(texts[1])
    for axes in panels:
        frames = [patch for patch in axes.patches if isinstance(patch, boxes.Frame)]
        assert {frame.get_linestyle() for frame in frames} == {'--', '-'}
        areas = [text.get_bbox_patch().get_window_extent() for text in axes.texts]
        assert not any(
            one.padded(-1).overlaps(other) for one, other in itertools.combinations(areas, 2)
        )


def test_boxes_that_are_not_sure_are_left_out(tmp_path, monkeypatch):
    class Unsure(Oracle):
        def forward(self, images):
            [found] = super().forward(images)
            return [dict(found, scores=torch.full_like(found['scores'], 0.4))]

    data = CocoData(write(tmp_path, 'val', content()), 'val')
    panels = drawn(monkeypatch, data, Unsure(data), path=tmp_path / 'boxes.png')
    assert [[text.get_text() for text in axes.texts] for axes in panels] == [['dog'], ['cat']]
