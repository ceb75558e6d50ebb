"""Properties of the configs of mmdet's detectors that can be tested without mmdet."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from mmengine import Config

from senet_mm.apis import list_models
from senet_mm.config.names import find_config, get_config

from ..conftest import ROOT
from ..test_config_keys import run

CONFIGS = sorted(path.name for path in ROOT.glob('configs/detection/*.py'))


@pytest.mark.slow
def test_checkpoints_are_read_as_data_by_any_tool():
    """mmdet's own tools import what the config names, and load by mmengine."""
    code = (
        'import runpy, importlib\n'
        "cfg = runpy.run_path('configs/_base_/detection/coco_2x.py')\n"
        "for name in cfg['custom_imports']['imports']: importlib.import_module(name)\n"
        'from mmengine.runner import CheckpointLoader\n'
        'print({f.__module__ for f in CheckpointLoader._schemes.values()})\n'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["{'senet_mm.engine.weights.schemes'}"], done.stderr


@pytest.mark.parametrize('name', CONFIGS)
def test_is_found_by_name_and_is_no_classifier(name):
    assert find_config(name) == str(ROOT / 'configs/detection' / name)
    assert name.removesuffix('.py') not in list_models()


@pytest.mark.skipif(find_spec('mmdet') is not None, reason='mmdet is installed')
@pytest.mark.parametrize('name', CONFIGS)
def test_a_missing_mmdet_has_a_remedy(name):
    remedy = r"mmdet is not installed; mend it with: pip install -e '\.\[detection\]' in an env"
    with pytest.raises(ImportError, match=remedy):
        get_config(name.removesuffix('.py'))


def without_mmdet(name):
    """What a config and its bases of ours say; mmdet's bases are left out."""
    own, bases = run(name)
    inherited = {}
    for base in bases:
        if '::' not in base:
            inherited |= without_mmdet(base)
    return Config._merge_a_into_b(own, inherited)


WEIGHTS = {
    name: Path(checkpoint).stem
    for name in CONFIGS
    if (init_cfg := without_mmdet(f'detection/{name}')['model']['backbone'].get('init_cfg'))
    and (checkpoint := init_cfg.get('checkpoint'))
}


def test_four_configs_name_weights():
    assert len(WEIGHTS) == 4


@pytest.mark.parametrize('name', WEIGHTS)
def test_normalises_as_the_named_weights_were_trained(name):
    """mmdet makes RGB of BGR, as the classifier does, and then takes mean and std."""
    classifier = get_config(WEIGHTS[name])
    detector = without_mmdet(f'detection/{name}')['model']
    ours, theirs = detector['data_preprocessor'], classifier.data_preprocessor
    assert (ours['mean'], ours['std']) == (theirs.mean, theirs.std)
    assert ours.get('bgr_to_rgb', True) == theirs.to_rgb
    for key in ('depth', 'block', 'stem'):
        assert detector['backbone'].get(key) == classifier.model.backbone.get(key)
    plain = detector['backbone']['type'] == 'senet_mm.ResNet'
    assert plain == ('se' not in classifier.model)
