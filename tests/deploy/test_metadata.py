"""Every kind of exported file keeps the record, and still computes the same."""

import json
import zipfile

import onnx
import openvino
import pytest
import torch
from torch import nn

from senet_mm.deploy import deploy, read_record, write_record
from senet_mm.deploy.containers import CONTAINERS
from senet_mm.utils.errors import InputError, UserError
from senet_mm.utils.files import EXPORTED

RECORD = dict(
    preprocessing=dict(mean=[1.5], std=[2.0], channel_order=None, resize=None, crop=None),
    classes=['süß & "sour"', 'two\nlines', '猫'],
    config='a = 1\nb = "<c>"\n',
    recipe='seresnet8_1xb64_digits',
    license='Apache-2.0',
    source=None,
)
TARGETS = {'.pt2': 'fold', '.onnx': 'onnx', '.xml': 'openvino'}


def test_the_kinds_are_those_that_are_no_checkpoints():
    assert (*CONTAINERS,) == EXPORTED


@pytest.fixture(scope='module', params=CONTAINERS)
def exported(request, tmp_path_factory):
    """A small network, and a function that makes a new file of it without a record."""
    network = nn.Sequential(nn.Conv2d(1, 3, 8), nn.Flatten()).eval()
    folder = tmp_path_factory.mktemp('exported')
    with torch.no_grad():
        path = deploy(network, TARGETS[request.param], torch.randn(2, 1, 8, 8), folder).path
    return network, path


def run(path, x):
    if path.suffix == '.pt2':
        return torch.export.load(path).module()(x)
    core = openvino.Core()
    compiled = core.compile_model(path, 'CPU', dict(INFERENCE_PRECISION_HINT='f32'))
    return torch.from_numpy(compiled(x.numpy())[0])


def test_a_record_is_kept(exported):
    network, path = exported
    write_record(path, dict(classes=['another']))
    write_record(path, RECORD)
    assert read_record(path) == RECORD
    x = torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(run(path, x), network(x), rtol=0.05, atol=0.05)


def test_others_read_it_by_their_own_means(exported):
    _, path = exported
    write_record(path, RECORD)
    if path.suffix == '.onnx':
        [text] = [p.value for p in onnx.load(path).metadata_props if p.key == 'senet_mm']
    elif path.suffix == '.xml':
        text = openvino.Core().read_model(path).get_rt_info('senet_mm').value
    else:
        extra = {'senet_mm.json': ''}
        torch.export.load(path, extra_files=extra)
        text = extra['senet_mm.json']
    assert json.loads(text) == RECORD


def test_files_of_others_have_none(exported, tmp_path):
    _, path = exported
    foreign = tmp_path / path.name
    if path.suffix == '.pt2':
        with zipfile.ZipFile(foreign, 'w') as archive:
            archive.writestr('folded/extra/their.json', '{}')
    elif path.suffix == '.xml':
        foreign.write_text('<net><layers/><rt_info><model_info/></rt_info></net>')
    else:
        foreign.write_bytes(onnx.ModelProto(producer_name='theirs').SerializeToString())
    assert read_record(foreign) is None


def test_damage_is_one_line(exported, tmp_path):
    _, path = exported
    write_record(path, RECORD)
    damaged = tmp_path / path.name
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b'no file', whole[len(whole) // 2 :]):
        damaged.write_bytes(content)
        for access in (read_record, lambda path: write_record(path, RECORD)):
            with pytest.raises(InputError, match=f'{path.name} is damaged or no {path.suffix}: .'):
                access(damaged)
        assert damaged.read_bytes() == content


WRONG = {
    'no dict': [],
    'preprocessing mean=': dict(preprocessing=dict(mean='x', std=None, channel_order=None)),
    "'evil'": dict(preprocessing=dict(evil=1)),
    'preprocessing is str': dict(preprocessing='x'),
    'classes=': dict(classes=[1, 2]),
    'config=': dict(config=['a']),
}


@pytest.mark.parametrize('said', WRONG)
def test_a_record_that_is_none_is_one_line(exported, said):
    _, path = exported
    CONTAINERS[path.suffix].write(path, json.dumps(WRONG[said]))
    with pytest.raises(InputError, match=said) as caught:
        read_record(path)
    assert path.name in str(caught.value)


@pytest.mark.parametrize('text', ['{', '[' * 100_000, '"' + 'x' * (1 << 24) + '"'])
def test_a_hostile_text_is_one_line(exported, text):
    _, path = exported
    CONTAINERS[path.suffix].write(path, text)
    with pytest.raises(InputError, match='is damaged or no'):
        read_record(path)


def test_entities_are_not_expanded(tmp_path):
    """The billion laughs."""
    path = tmp_path / 'model.xml'
    entities = ''.join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    path.write_text(
        f'<!DOCTYPE net [<!ENTITY e0 "laugh">{entities}]>'
        '<net><rt_info><senet_mm value="&e11;"/></rt_info></net>'
    )
    with pytest.raises(InputError, match=r'is damaged or no \.xml'):
        read_record(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"'\.pth' is not known; allowed: \.onnx, \.pt2, \.xml"):
        read_record(tmp_path / 'a.pth')
    with pytest.raises(FileNotFoundError, match=r'a\.onnx does not exist'):
        read_record(tmp_path / 'a.onnx')
