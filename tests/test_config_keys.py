"""configs/ has no dead key: every file is used, and every key in it changes something."""

import re

import pytest
from mmengine import Config

from senet_mm.engine.config_keys import OTHER_KEYS, RUNNER_KEYS

from .conftest import ROOT

CONFIGS = ROOT / 'configs'
FILES = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.glob('**/*.py'))
ABSENT = object()
LEAVES = [name for name in FILES if not name.startswith('_base_')]


def run(name):
    """The file's own keys and its bases, as the file says."""
    own = {}
    exec((CONFIGS / name).read_text(), {}, own)
    bases = own.pop('_base_', [])
    bases = [bases] if isinstance(bases, str) else bases
    folder = (CONFIGS / name).parent
    return own, [str((folder / base).resolve().relative_to(CONFIGS)) for base in bases]


def changes(own, inherited, path=''):
    """Whether each value of nested dicts differs from the inherited one, by dotted key."""
    for key, value in own.items():
        before = inherited.get(key, ABSENT) if isinstance(inherited, dict) else ABSENT
        if isinstance(value, dict) and value and not value.get('_delete_'):
            yield from changes(value, before, f'{path}{key}.')
        else:
            yield f'{path}{key}', value != before


@pytest.mark.parametrize('name', FILES)
def test_every_key_changes_what_is_inherited(name):
    own, bases = run(name)
    inherited = {}
    for base in bases:
        inherited |= Config.fromfile(CONFIGS / base).to_dict()
    assert [key for key, differs in changes(own, inherited) if not differs] == []


@pytest.mark.parametrize('name', FILES)
def test_every_name_is_read(name):
    """By the runner or by us; a name of the file's own further down in it."""
    text = (CONFIGS / name).read_text()
    own, _ = run(name)
    for key in own.keys() - RUNNER_KEYS - OTHER_KEYS:
        assert len(re.findall(rf'\b{key}\b', text)) > 1, key


def test_every_base_is_used():
    used, queue = set(), list(LEAVES)
    while queue:
        _, bases = run(queue.pop())
        queue += bases
        used |= set(bases)
    assert {name for name in FILES if name.startswith('_base_')} <= used
