"""What can be said of the configs of mmdet's detectors without mmdet."""

import pytest

from senet_mm.apis import list_models
from senet_mm.apis.configs import find_config

from ..conftest import ROOT

CONFIGS = sorted(path.name for path in ROOT.glob('configs/detection/*.py'))


@pytest.mark.parametrize('name', CONFIGS)
def test_opens_with_command_hardware_and_score(name):
    lines = (ROOT / 'configs/detection' / name).read_text().splitlines()
    command, hardware, score, *_ = lines
    assert command.startswith('# ')
    assert f' configs/detection/{name}' in command
    assert hardware.startswith('# Hardware: ')
    assert score.startswith(('# Expected: ', '# Published: '))
    assert len(lines) <= 15


@pytest.mark.parametrize('name', CONFIGS)
def test_is_found_by_name_and_is_no_classifier(name):
    assert find_config(name) == str(ROOT / 'configs/detection' / name)
    assert name.removesuffix('.py') not in list_models()
