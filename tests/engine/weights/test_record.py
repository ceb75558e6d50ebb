"""What is needed to use weights, from the training to the published file."""

import json
import runpy
import sys

import pytest
import torch

from senet_mm.apis import get_model
from senet_mm.engine import Runner
from senet_mm.engine.weights.origin import load_origin, read_origin
from senet_mm.engine.weights.preprocessing import describe_preprocessing
from senet_mm.engine.weights.record import record_of, to_meta, without_folders

from ...conftest import ROOT
from ..test_runner import digits

NAME = 'seresnet8_1xb64_digits'
PUBLISH = 'tools/model_converters/publish_model.py'
DIGITS = [str(i) for i in range(10)]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Checkpoint of an epoch on the digits; its config has a licence."""
    work_dir = tmp_path_factory.mktemp('run')
    cfg = digits(work_dir, **{'train_cfg.max_epochs': 1, 'license': 'CC0-1.0'})
    Runner.from_cfg(cfg).train()
    return work_dir / 'epoch_1.pth'


def test_record_of_a_trained_network(trained):
    model = get_model(NAME, trained)
    record = record_of(model)
    assert record == json.loads(json.dumps(record))
    assert record['preprocessing'] == describe_preprocessing(model.cfg)
    assert record['preprocessing']['mean'] == model.data_preprocessor.mean.flatten().tolist()
    assert record['classes'] == DIGITS
    assert "type='ResNet'" in record['config']
    assert (record['recipe'], record['license'], record['source']) == (NAME, 'CC0-1.0', None)


def test_record_without_a_checkpoint():
    record = record_of(get_model(NAME))
    assert record['classes'] is None
    assert (record['recipe'], record['license'], record['source']) == (NAME, None, None)


def test_fine_tuning_notes_the_source_and_keeps_the_licence(trained, tmp_path):
    cfg = digits(tmp_path, load_from=str(trained), **{'train_cfg.max_epochs': 1})
    Runner.from_cfg(cfg).train()
    origin = load_origin(str(tmp_path / 'epoch_1.pth'))
    assert (origin.license, origin.source) == ('CC0-1.0', 'epoch_1.pth')
    again = digits(tmp_path, resume=True, **{'train_cfg.max_epochs': 2})
    Runner.from_cfg(again).train()
    resumed = load_origin(str(tmp_path / 'epoch_2.pth'))
    assert (resumed.license, resumed.source) == ('CC0-1.0', 'epoch_1.pth')


def test_published_record_is_that_of_the_checkpoint(trained, tmp_path, monkeypatch, capfd):
    arguments = [trained, tmp_path, '--name', NAME, '--cfg-options', 'source=my pictures']
    monkeypatch.setattr(sys, 'argv', [PUBLISH, *map(str, arguments)])
    tool = runpy.run_path(str(ROOT / PUBLISH))
    capfd.readouterr()
    tool['main'](tool['parse_args']())
    file = capfd.readouterr().out.splitlines()[-1]
    published = record_of(get_model(NAME, file))
    before = record_of(get_model(NAME, trained))
    assert published['source'] == 'my pictures'
    fields = ('preprocessing', 'classes', 'recipe', 'license')
    assert {k: published[k] for k in fields} == {k: before[k] for k in fields}


@pytest.mark.parametrize('name', ['recipe', 'license', 'source'])
@pytest.mark.parametrize('value', [5, ['MIT'], 'x' * 1001])
def test_texts_of_a_stranger(name, value):
    with pytest.raises(ValueError, match=f'^checkpoint a.pth: {name} is .*; allowed: a text of'):
        read_origin(dict(meta={name: value}), 'a.pth')


def test_meta_of_a_record():
    record = dict.fromkeys(('preprocessing', 'classes', 'config', 'recipe', 'license', 'source'))
    record |= dict(preprocessing={}, classes=['a'], config='x = 1', recipe='r')
    meta = dict(preprocessing={}, dataset_meta=dict(classes=['a']), cfg='x = 1', recipe='r')
    assert to_meta(record) == meta
    origin = read_origin(dict(meta=meta, state_dict=dict(a=torch.ones(1))), 'a.pth')
    assert (origin.classes, origin.recipe, origin.license) == (('a',), 'r', None)


def test_paths_are_reduced():
    given = dict(a='/home/me/x.pth', b=['/y', 'z/w'], c=(1, dict(d='/e/f')))
    assert without_folders(given) == dict(a='x.pth', b=['y', 'z/w'], c=[1, dict(d='f')])
