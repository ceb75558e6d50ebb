"""configs/ has no dead key: every file is used, and every key in it changes something."""

import re
from pathlib import Path

import pytest
from mmengine import Config
from mmengine.hub import get_config

from senet_mm.config.keys import OTHER_KEYS, RUNNER_KEYS

from .conftest import ROOT

CONFIGS = ROOT / 'configs'
FILES = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.glob('**/*.py'))
ABSENT = object()
# Their bases are mmdet's: tests_mmdet has these.
DETECTION = [name for name in FILES if Path(name).parent.name == 'detection']
LEAVES = [name for name in FILES if not name.startswith('_base_')]


def run(name):
    """The file's own keys and its bases, as the file says."""
    own = {}
    exec((CONFIGS / name).read_text(), {}, own)
    bases = own.pop('_base_', [])
    bases = [bases] if isinstance(bases, str) else bases
    folder = (CONFIGS / name).parent
    return own, [
        base if '::' in base else str((folder / base).resolve().relative_to(CONFIGS))
        for base in bases
    ]


def changes(own, inherited, path=''):
    """Whether each value of nested dicts differs from the inherited one, by dotted key."""
    for key, value in own.items():
        before = inherited.get(key, ABSENT) if isinstance(inherited, dict) else ABSENT
        if isinstance(value, dict) and value and not value.get('_delete_'):
            yield from changes(value, before, f'{path}{key}.')
        else:
            yield f'{path}{key}', value != before


def dead_keys(name):
    """Keys of a file that repeat what it inherits."""
    own, bases = run(name)
    inherited = {}
    for base in bases:
        cfg = get_config(base) if '::' in base else Config.fromfile(CONFIGS / base)
        inherited |= cfg.to_dict()
    return [key for key, differs in changes(own, inherited) if not differs]


@pytest.mark.parametrize('name', sorted(set(FILES) - set(DETECTION)))
def test_every_key_changes_what_is_inherited(name):
    assert dead_keys(name) == []


@pytest.mark.parametrize('name', FILES)
def test_every_name_is_read(name):
    """By the runner, by us, or further down in the file."""
    text = (CONFIGS / name).read_text()
    own, _ = run(name)
    for key in own.keys() - RUNNER_KEYS - OTHER_KEYS:
        assert len(re.findall(rf'\b{key}\b', text)) > 1, key


def test_every_base_is_used():
    used, queue = {'_base_/detection/torchvision.py'}, list(LEAVES)  # by tools/train_detector.py
    while queue:
        _, bases = run(queue.pop())
        bases = [base for base in bases if '::' not in base]
        queue += bases
        used |= set(bases)
    assert {name for name in FILES if name.startswith('_base_')} <= used
