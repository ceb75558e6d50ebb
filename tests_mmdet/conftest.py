# Before mmpretrain, which imports mmdet.
import senet_mm.detection.mmcv_ops  # noqa: F401  isort: skip

import pytest
import torch

from tests.conftest import ROOT, load_tool, run_tool  # noqa: F401


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def sample(tmp_path_factory):
    """A small data set of pasted shapes."""
    tool = load_tool('tools/dataset_tools/make_detection_sample.py')
    folder = tmp_path_factory.mktemp('detection') / 'sample'
    tool.main(tool.argparse.Namespace(out=folder, train=16, val=4, size=128, seed=0))
    return folder


CONFIGS = sorted(path.name for path in ROOT.glob('configs/detection/*.py'))
