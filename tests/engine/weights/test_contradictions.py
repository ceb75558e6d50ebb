"""A file of weights that contradicts itself is one line, whichever tool reads it."""

import copy
import sys

import pytest
import torch

from senet_mm import Classifier
from senet_mm.apis import get_config, get_model
from senet_mm.converters import convert_back
from senet_mm.engine import Runner
from senet_mm.engine.weights.origin import load_origin, read_origin
from senet_mm.engine.weights.record import record_of, to_meta

from ...conftest import load_tool
from ..test_runner import digits

NAME = 'seresnet8_1xb64_digits'
FOLDER = 'seresnet18_1xb32_folder'


@pytest.fixture(scope='module')
def whole():
    """A checkpoint of digits, with its record."""
    model = get_model(NAME)
    record = dict(record_of(model), classes=[str(i) for i in range(10)])
    return dict(state_dict=model.state_dict(), meta=to_meta(record))


def change(whole, **fields):
    return dict(whole, meta={**whole['meta'], **fields})


def with_images(whole, **fields):
    return change(whole, preprocessing={**whole['meta']['preprocessing'], **fields})


def with_classes(whole, classes):
    return change(whole, dataset_meta=dict(classes=classes))


def without_config(whole, **fields):
    changed = change(whole, **fields)
    del changed['meta']['cfg']
    return changed


CASES = {
    'names in a text': (
        lambda whole: with_classes(whole, 'abc'), "classes='abc'; allowed: a list of names",
    ),
    'names by number': (
        lambda whole: with_classes(whole, {0: 'a', 1: 'b'}),
        r"classes={0: 'a', 1: 'b'}; allowed: a list of names",
    ),
    'names of other types': (
        lambda whole: with_classes(whole, [['a'], 'b']), r"classes=\[\['a'\], 'b'\]; allowed: a",
    ),
    "names as mmcls's": (
        lambda whole: change(whole, dataset_meta={}, CLASSES='abc'), "classes='abc'; allowed: a ",
    ),
    'more names': (
        lambda whole: with_classes(whole, list('abcdefghijk')),
        r'contradicts itself: it has the names of 11 classes \(a, b, c, ...\), its network has 10',
    ),
    'more names, no config': (
        lambda whole: without_config(whole, dataset_meta=dict(classes=['a'])),
        r'contradicts itself: it has the names of 1 classes \(a\), its network has 10; allowed: as',
    ),
    'three means for one channel': (
        lambda whole: with_images(whole, mean=[1, 2, 3], std=[1, 2, 3], input_size=[3, 8, 8]),
        r'contradicts itself: its mean has 3 numbers, its network takes images of 1 channel\(s\)',
    ),
    'three means for one channel of the config': (
        lambda whole: {
            'meta': with_images(
                whole, mean=[1, 2, 3], std=[1, 2, 3], input_size=[3, 8, 8]
            )['meta']
        },
        r'contradicts itself: its mean has 3 numbers, its network takes images of 1 channel\(s\)',
    ),
    'three means for one channel, no config': (
        lambda whole: without_config(
            whole, preprocessing=dict(mean=[1, 2, 3], std=[1, 2, 3], channel_order=None)
        ),
        r'contradicts itself: its mean has 3 numbers, its network takes images of 1 channel\(s\)',
    ),
}  # fmt: skip


@pytest.mark.parametrize('case', CASES)
def test_a_contradiction(case, whole, tmp_path):
    contradict, message = CASES[case]
    torch.save(contradict(copy.copy(whole)), tmp_path / 'net.pth')
    with pytest.raises(ValueError, match=rf'^checkpoint {tmp_path}/net.pth:? {message}') as error:
        load_origin(str(tmp_path / 'net.pth'))
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(('given', 'stated', 'right'), [
    (16, 8, False), (8, 16, False), (16, None, False), (16, 16, True), (8, None, True),
    (8, 8, True),
])  # fmt: skip
def test_bits_of_the_pipeline(given, stated, right, tmp_path):
    cfg = get_config(FOLDER, dict(bits=given))
    described = dict(mean=[1], std=[1], channel_order='RGB', input_size=[3, 224, 224])
    if stated is not None:
        described['bits'] = stated
    torch.save(dict(meta=dict(cfg=cfg.pretty_text, preprocessing=described)), tmp_path / 'n.pth')
    if right:
        load_origin(str(tmp_path / 'n.pth'))
        return
    message = (
        f'contradicts itself: its preprocessing has bits={stated or 8}, its config bits={given}'
    )
    with pytest.raises(ValueError, match=message):
        load_origin(str(tmp_path / 'n.pth'))


@pytest.mark.parametrize('case', ['names in a text', 'more names'])
def test_every_tool(case, whole, tmp_path, monkeypatch):
    file = tmp_path / 'net.pth'
    contradict, message = CASES[case]
    torch.save(contradict(copy.copy(whole)), file)

    def run(tool, *arguments):
        loaded = load_tool(f'tools/{tool}')
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        loaded.main(loaded.parse_args())

    work = ('--work-dir', tmp_path / 'work')
    ways = {
        'get_model': lambda: get_model(file),
        'get_model of a config': lambda: get_model(NAME, file),
        'other classes': lambda: get_model(NAME, file, num_classes=3),
        'Classifier': lambda: Classifier(file),
        'load_from': lambda: Runner.from_cfg(digits(tmp_path / 'run', load_from=str(file))),
        'convert.py': lambda: convert_back('timm', file, tmp_path / 'x.pth', NAME),
        'test.py': lambda: run('test.py', NAME, file, *work),
        'predict.py': lambda: run('predict.py', file, __file__),
        'deploy.py': lambda: run('deploy.py', file, *work),
        'publish_model.py': lambda: run('model_converters/publish_model.py', file, tmp_path),
        'excitation.py': lambda: run('analysis_tools/excitation.py', NAME, file, *work),
    }
    for name, way in ways.items():
        with pytest.raises(ValueError, match=message) as caught:  # noqa: PT012
            way()
            raise AssertionError(f'{name} takes it')
        assert str(caught.value).startswith(f'checkpoint {file}'), name


def test_a_config_by_its_name_may_be_another_one_today():
    """As an older version converted: the file has the images of its own time."""
    described = dict(mean=[1, 2, 3], std=[1, 2, 3], channel_order='RGB', bits=16)
    origin = read_origin(dict(meta=dict(config=NAME, preprocessing=described)), 'old.pth')
    assert origin.preprocessing == described
    assert origin.config['model']['backbone']['in_channels'] == 1
