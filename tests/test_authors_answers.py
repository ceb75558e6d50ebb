"""docs/authors-answers.md: each answer names its issue, each key stands in the config before it."""

import re

import pytest

from senet_mm.apis import get_config
from senet_mm.config.overriding import get_child

from .conftest import ROOT

PAGE = (ROOT / 'docs/authors-answers.md').read_text()
ROWS = [
    line.strip('| ').split(' | ')
    for line in PAGE.splitlines()
    if line.startswith('| ') and not line.startswith('| asked')
]
ISSUES = re.compile(r'\[#(\d+)\]\(https://github\.com/hujie-frank/SENet/issues/(\d+)\)')
# (config, 'key=value, key=value') of every row that has some.
CLAIMS = [
    (config, keys)
    for _, _, here in ROWS
    for config, keys in re.findall(r'^`([\w-]+)`: (`.*`)$', here)
]


def test_each_answer_has_its_issues():
    for asked, answered, here in ROWS:
        issues = ISSUES.findall(asked)
        assert issues, asked
        assert all(text == address for text, address in issues), asked
        assert all([answered, here]), asked


@pytest.mark.parametrize(('config', 'keys'), CLAIMS)
def test_keys_are_those_of_the_config(config, keys):
    cfg = get_config(config)
    for key, value in re.findall(r'`([\w.]+)=(.*?)`', keys):
        found = cfg
        for part in key.split('.'):
            found = get_child(found, part)
        assert found == eval(value, {}), key


def test_half_of_the_answers_are_keys():
    assert len(CLAIMS) >= 15
