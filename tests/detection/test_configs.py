"""What can be said of the configs of mmdet's detectors without mmdet."""

from pathlib import Path

import pytest
from mmengine import Config

from senet_mm.apis import list_models
from senet_mm.apis.configs import find_config, get_config

from ..conftest import ROOT
from ..test_config_keys import run

CONFIGS = sorted(path.name for path in ROOT.glob('configs/detection/*.py'))


@pytest.mark.parametrize('name', CONFIGS)
def test_is_found_by_name_and_is_no_classifier(name):
    assert find_config(name) == str(ROOT / 'configs/detection' / name)
    assert name.removesuffix('.py') not in list_models()


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
    for key in ('depth', 'style', 'stem'):
        assert detector['backbone'].get(key) == classifier.model.backbone.get(key)
    assert (detector['backbone'].get('se', {}) is None) == ('se' not in classifier.model)
