"""What training took hours for is kept."""

import json

import pytest

from ..conftest import load_tool


def test_results_are_written_before_pictures_are_drawn(sample, tmp_path, monkeypatch):
    """What took hours must not depend on a picture."""
    from senet_mm.detection import coco, train

    def fail(*args):
        raise RuntimeError('no picture')

    monkeypatch.setattr(train, 'draw', fail)
    monkeypatch.setattr(train, 'train', lambda *args: [1.0])
    monkeypatch.setattr(coco, 'evaluate', lambda *args: dict(bbox_AP=50.0))
    tool = load_tool('tools/train_detector.py')
    monkeypatch.setattr('sys.argv', ['x', str(sample), '--out', str(tmp_path)])
    with pytest.raises(RuntimeError, match='no picture'):
        tool.main(tool.parse_args())
    assert json.loads((tmp_path / 'metrics.json').read_text()) == dict(losses=[1.0], bbox_AP=50.0)
    assert (tmp_path / 'detector.pth').exists()
