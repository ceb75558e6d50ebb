"""What can be said of the configs of mmdet's detectors without mmdet."""

import subprocess
import sys

import pytest

from senet_mm.apis import list_models
from senet_mm.apis.configs import find_config

from ..conftest import ROOT

CONFIGS = sorted(path.name for path in ROOT.glob('configs/detection/*.py'))


def test_checkpoints_are_read_as_data_by_any_tool():
    """mmdet's own tools import what the config names, and load by mmengine."""
    code = (
        'import runpy, importlib\n'
        "cfg = runpy.run_path('configs/_base_/detection/coco_2x.py')\n"
        "for name in cfg['custom_imports']['imports']: importlib.import_module(name)\n"
        'from mmengine.runner import CheckpointLoader\n'
        'print({f.__module__ for f in CheckpointLoader._schemes.values()})\n'
    )
    run = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.splitlines()[-1:] == ["{'senet_mm.engine.schemes'}"], run.stderr


@pytest.mark.parametrize('name', CONFIGS)
def test_is_found_by_name_and_is_no_classifier(name):
    assert find_config(name) == str(ROOT / 'configs/detection' / name)
    assert name.removesuffix('.py') not in list_models()
