"""A seed that no generator takes, in every tool that has one: one line, before any work."""

import sys

import pytest

from senet_mm.utils.errors import InputError

from ..conftest import ROOT, load_tool

TOOLS = {
    'tools/dataset_tools/make_scenes.py': ['OUT'],
    'tools/dataset_tools/make_sample.py': ['OUT'],
    'tools/dataset_tools/make_detection_sample.py': ['OUT'],
    'tools/dataset_tools/pack.py': ['OUT', 'OUT'],
    'tools/visualization/browse_dataset.py': ['resnet8_1xb64_digits'],
}
# It checks all its numbers at once, in words of its own.
OTHERS = {'tools/train_detector.py'}


def test_every_tool_with_a_seed():
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'tools').rglob('*.py')
             if "'--seed'" in path.read_text()}  # fmt: skip
    assert found == {*TOOLS, *OTHERS}


@pytest.mark.parametrize('name', TOOLS)
def test_a_seed_below_zero(name, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    arguments = [str(out) if argument == 'OUT' else argument for argument in TOOLS[name]]
    tool = load_tool(name)
    monkeypatch.setattr(sys, 'argv', [name, *arguments, '--seed', '-1'])
    with pytest.raises(InputError, match=r'^--seed=-1; allowed: whole numbers from 0$'):
        tool.main(tool.parse_args())
    assert not out.exists()
