"""What can be said of the configs of mmdet's detectors without mmdet."""

import pytest

from senet_mm.apis import list_models
from senet_mm.apis.configs import find_config

from ..conftest import ROOT

CONFIGS = sorted(path.name for path in ROOT.glob('configs/detection/*.py'))


@pytest.mark.parametrize('name', CONFIGS)
def test_is_found_by_name_and_is_no_classifier(name):
    assert find_config(name) == str(ROOT / 'configs/detection' / name)
    assert name.removesuffix('.py') not in list_models()
