# Before mmpretrain, which imports mmdet where that is installed.
import senet_mm.detection.mmcv_ops  # noqa: F401  isort: skip

import pytest

from ..conftest import ROOT, load_tool


@pytest.fixture(scope='session')
def sample(tmp_path_factory):
    """A small data set of pasted shapes."""
    tool = load_tool('tools/dataset_tools/make_detection_sample.py')
    folder = tmp_path_factory.mktemp('detection') / 'sample'
    assert (ROOT / 'tools/dataset_tools/make_detection_sample.py').exists()
    tool.main(tool.argparse.Namespace(out=folder, train=96, val=16, size=64, seed=0))
    return folder
