"""What training took hours for is kept."""

import json

import pytest

from senet_mm.detection import boxes

from .test_annotations import content, write
from .test_train import TINY, run_here


def test_results_are_written_before_pictures_are_drawn(tmp_path, monkeypatch):
    """What took hours must not depend on a picture."""

    def fail(*args):
        raise RuntimeError('no picture')

    for split in ('train', 'val'):
        write(tmp_path, split, content())
    monkeypatch.setattr(boxes, 'draw_boxes', fail)
    with pytest.raises(RuntimeError, match='no picture'):
        run_here(tmp_path, *TINY, '--work-dir', tmp_path / 'out')
    [score] = json.loads((tmp_path / 'out/result.json').read_text())['validations']
    assert score['epoch'] == 1
    assert {'coco/bbox_AP', 'coco/bbox_AP50'} < score.keys()
    assert (tmp_path / 'out/epoch_1.pth').exists()
