"""The path of torchvision by the tool: data, training, AP, pictures."""

import json

from PIL import Image


def test_learns(run_tool, sample, tmp_path):
    """From nothing to some of the shapes in 120 steps on 96 images."""
    options = ['--size', 64, '--epochs', 10, '--lr', 0.02]
    run = run_tool('tools/train_detector.py', sample, '--out', tmp_path, *options)
    assert run.returncode == 0, run.stderr
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert metrics['losses'][-1] < 0.6 * metrics['losses'][0]
    assert metrics['bbox_AP50'] > 5
    assert (tmp_path / 'detector.pth').exists()
    assert Image.open(tmp_path / 'boxes.png').width > 4 * 128


def test_mistakes_are_one_line(run_tool, sample, tmp_path):
    run = run_tool('tools/train_detector.py', tmp_path / 'nowhere')
    assert run.stderr.startswith('error: annotations ')
    run = run_tool('tools/train_detector.py', sample, '--out', tmp_path, '--detector', 'yolo')
    assert run.stderr.startswith("error: detector='yolo' is not known; allowed: faster-rcnn, mask")
