"""Configs that files carry as text: read as mmengine writes them, never executed."""

import pytest
from mmengine.config import Config

from senet_mm.apis import get_config, list_models
from senet_mm.config.text import MAX_LENGTH, comparable, read_config_text


@pytest.mark.parametrize('name', list_models('*digits') + list_models('senet154*'))
def test_what_mmengine_writes(name):
    cfg = get_config(name)
    assert comparable(read_config_text(cfg.pretty_text)) == comparable(cfg.to_dict())


def test_all_kinds_of_values():
    values = dict(
        numbers=[1, -2, 0.5, 1e-7, float('inf'), -float('inf'), True, None],
        tuples=((1, 2), [], {}),
        texts=['a\'b"c', 'ä', 'line\nline'],
        odd_keys={'a.b': dict(c=1), 3: 'x', 'class': {'norm.': dict(decay_mult=0)}},
        bytes=b'\x00',
    )
    assert read_config_text(Config(values).pretty_text) == values


REFUSED = [
    'import os',
    'a = __import__("os").system("touch proof")',
    'a = [x for x in (1, 2)]',
    'a = dict(b=dict(**c))',
    'a = dict(b=dict(**{"c": 1}))',
    'a = dict(1)',
    'a = dict([("b", 1)])',
    'a = eval("1")',
    'a = b.c',
    'a = (lambda: 1)()',
    'a = f"{__name__}"',
    'a.b = 1',
    'a: int = 3',
    'a = {**b}',
    'a = {[]: 1}',
    'a = 1 +',
    '\0',
    'a = ' + '(' * 100_000,
    'a = ' + '-' * 100_000 + '1',
    'a = ' + '1+' * 90_000 + '1',
    ' ' * (MAX_LENGTH + 1),
]


@pytest.mark.parametrize('text', REFUSED, ids=lambda text: text[:24])
def test_anything_else_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r'\S') as error:
        read_config_text(text)
    assert ' at 0x' not in str(error.value)
    assert not list(tmp_path.iterdir())
