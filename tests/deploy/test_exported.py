"""Exported files are read back as data."""

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
import torch

from senet_mm.apis import get_model
from senet_mm.deploy import deploy
from senet_mm.deploy.exported import open_exported
from senet_mm.deploy.metadata import read_record, write_record
from senet_mm.engine.weights.record import record_of

from ..engine.weights.test_checkpoint import Hostile

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """A program of ``torch.export`` with its record."""
    model = get_model('seresnet8_1xb64_digits')
    folder = tmp_path_factory.mktemp('exported')
    return deploy(model, 'fold', torch.randn(2, 1, 8, 8), folder, record_of(model)).path


def change(src, dst, record, edit):
    """A copy of an archive in which one record is edited; a new one if there is none."""
    with zipfile.ZipFile(src) as old, zipfile.ZipFile(dst, 'w') as new:
        folder = old.namelist()[0].partition('/')[0]
        names = [*old.namelist(), f'{folder}/{record}']
        for name in dict.fromkeys(names):
            data = old.read(name) if name in old.namelist() else b''
            new.writestr(name, edit(data) if name == f'{folder}/{record}' else data)
    return dst


def as_json(edit):
    def edit_bytes(data):
        content = json.loads(data)
        edit(content)
        return json.dumps(content).encode()

    return edit_bytes


def nodes(content):
    return content['graph_module']['graph']['nodes']


def pickled(content):
    next(iter(content['config'].values()))['use_pickle'] = True


MODEL, WEIGHTS = 'models/model.json', 'data/weights/model_weights_config.json'
HOSTILE = {
    'function': (
        MODEL,
        as_json(lambda c: nodes(c)[0].update(target='torch.os.system')),
        "its graph has target='torch.os.system'",
    ),
    'name of an argument': (
        MODEL,
        as_json(lambda c: nodes(c)[0]['inputs'][0].update(name='x=print()')),
        "its graph has name='x=print()'",
    ),
    'guards': (MODEL, as_json(lambda c: c.update(guards_code=['print()'])), 'the code of guards'),
    'expression': (
        MODEL,
        lambda data: data.replace(b"Symbol('s77', positive=True, integer=True)", b'exit()', 1),
        "its graph has expr_str='exit()'",
    ),
    'pickle': (WEIGHTS, as_json(pickled), 'is a pickle'),
    'library': ('data/aotinductor/model/a.so', lambda data: b'x', 'it has a record '),
    'legacy weights': ('data/weights/model.pt', lambda data: b'x', 'it has a record '),
}


def test_program_is_read_back(exported):
    loaded = open_exported(exported)
    assert loaded.record['recipe'] == 'seresnet8_1xb64_digits'
    assert loaded.run(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


@pytest.mark.parametrize('name', HOSTILE)
def test_program_of_a_stranger(exported, tmp_path, name):
    record, edit, message = HOSTILE[name]
    path = change(exported, tmp_path / 'a.pt2', record, edit)
    with pytest.raises(
        ValueError, match=f'^exported file {path} is refused: .*{re.escape(message)}'
    ):
        open_exported(path)


def test_pickle_within_a_program_is_not_run(exported, tmp_path):
    buffer, proof = io.BytesIO(), tmp_path / 'proof'
    torch.save(Hostile(f'touch {proof}'), buffer)
    path = change(
        exported, tmp_path / 'a.pt2', 'data/weights/weight_0', lambda _: buffer.getvalue()
    )
    path = change(path, tmp_path / 'b.pt2', WEIGHTS, as_json(pickled))
    with pytest.raises(ValueError, match='is a pickle'):
        open_exported(path)
    path = change(
        exported, tmp_path / 'c.pt2', 'data/sample_inputs/model.pt', lambda _: buffer.getvalue()
    )
    with pytest.raises(ValueError, match='is refused: it refers to'):
        open_exported(path)
    assert not proof.exists()


def rewrite(exported, folder, **changes):
    path = folder / 'a.pt2'
    path.write_bytes(Path(exported).read_bytes())
    write_record(path, read_record(path) | changes)
    return path


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(config=None), 'has no record of its images and classes; allowed: what tools/dep'),
        (dict(config='import os'), 'its config cannot be read (line 1 is no assignment'),
        (
            dict(preprocessing=dict(mean=[1.0], std=[1.0], channel_order=None)),
            'contradicts itself: its preprocessing has mean=[1.0], its config mean=[78.0]; allowed',
        ),
    ],
)
def test_record_of_a_stranger(exported, tmp_path, changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        open_exported(rewrite(exported, tmp_path, **changes))


def test_config_of_a_stranger(exported, tmp_path):
    config = read_record(exported)['config'].replace("type='ResNet'", "type='os.system'")
    with pytest.raises(ValueError, match=r"model.backbone.type='os.system' is not known"):
        open_exported(rewrite(exported, tmp_path, config=config))
