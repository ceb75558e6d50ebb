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
from senet_mm.engine.weights.preprocessing import check_preprocessing, describe_preprocessing
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


EDGE = dict(edge='short', backend='cv2', interpolation='bilinear')
RGB = dict(channel_order='RGB')

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
    'an empty name': (
        lambda whole: with_classes(whole, ['a', ' ']),
        r"classes=\['a', ' '\]; allowed: a list of .*empty",
    ),
    'truths as names': (
        lambda whole: with_classes(whole, [True, False]),
        r'classes=\[True, False\]; allowed: a list of names',
    ),
    'names beside their key': (
        lambda whole: change(whole, dataset_meta=list('abcdefghij')),
        r"dataset_meta=\['a', 'b', .*; allowed: dict\(classes=\[...\]\)",
    ),
    'a text beside the key': (
        lambda whole: change(whole, dataset_meta=''), r"dataset_meta=''; allowed: dict\(classes=",
    ),
    'a larger image than its crop': (
        lambda whole: with_images(
            whole, input_size=[1, 320, 320], crop=224, resize=256, **EDGE
        ),
        r'preprocessing has input_size=\[1, 320, 320\], crop=224; allowed: '
        r'input_size=\[1, 224, 224\], or another crop',
    ),
    'width and height of a crop': (
        lambda whole: with_images(
            whole, input_size=[1, 224, 192], crop=[224, 192], resize=256, **EDGE
        ),
        r'.*crop=\[224, 192\]; allowed: input_size=\[1, 192, 224\], or another crop',
    ),
    'another size than resized': (
        lambda whole: with_images(
            whole, input_size=[1, 8, 8], crop=None, resize=[9, 8], **EDGE
        ),
        r'.*input_size=\[1, 8, 8\], resize=\[9, 8\]; allowed: input_size=\[1, 8, 9\], or another',
    ),
    'one mean for three channels': (
        lambda whole: change(
            whole, preprocessing=dict(RGB, mean=[1], std=[1], input_size=[3, 8, 8])
        ),
        r'preprocessing has mean or std of 1 numbers for input_size=\[3, 8, 8\]; allowed: one ',
    ),
    'one mean for three channels of the network': (
        lambda whole: without_config(
            whole, preprocessing=dict(RGB, mean=[1], std=[1]),
        ) | dict(state_dict={'conv.weight': torch.zeros(4, 3, 3, 3)}),
        r'contradicts itself: its mean has 1 numbers, its network takes images of 3 channels',
    ),
    'one mean, three deviations': (
        lambda whole: change(whole, preprocessing=dict(RGB, mean=[1], std=[1, 2, 3])),
        'preprocessing has mean and std of different lengths',
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
        r'contradicts itself: its mean has 3 numbers, its network takes images of 1 channel',
    ),
    'three means for one channel of the config': (
        lambda whole: {
            'meta': with_images(
                whole, mean=[1, 2, 3], std=[1, 2, 3], input_size=[3, 8, 8]
            )['meta']
        },
        r'contradicts itself: its mean has 3 numbers, its network takes images of 1 channel',
    ),
    'three means for one channel, no config': (
        lambda whole: without_config(
            whole, preprocessing=dict(mean=[1, 2, 3], std=[1, 2, 3], channel_order=None)
        ),
        r'contradicts itself: its mean has 3 numbers, its network takes images of 1 channel',
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
    described = dict(RGB, mean=[1] * 3, std=[1] * 3, input_size=[3, 224, 224])
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


def test_equal_names_are_those_of_imagenet(whole, tmp_path):
    names = [*'abcdefghi', 'a']
    torch.save(with_classes(whole, names), tmp_path / 'net.pth')
    assert load_origin(str(tmp_path / 'net.pth')).classes == tuple(names)


def test_a_record_of_ours_follows_a_crop_that_was_changed():
    cfg = get_config(FOLDER)
    cfg.test_dataloader.dataset.pipeline[2].crop_size = 192
    described = describe_preprocessing(cfg)
    assert (described['crop'], described['input_size']) == (192, [3, 192, 192])
    assert check_preprocessing(described, 'net.pth') == described


def test_a_config_by_its_name_may_be_another_one_today():
    """As an older version converted: the file has the images of its own time."""
    described = dict(mean=[1, 2, 3], std=[1, 2, 3], channel_order='RGB', bits=16)
    origin = read_origin(dict(meta=dict(config=NAME, preprocessing=described)), 'old.pth')
    assert origin.preprocessing == described
    assert origin.config['model']['backbone']['in_channels'] == 1
