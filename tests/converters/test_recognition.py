"""A file of another project is recognised wherever it is given, and the command is named."""

import pytest
import torch

from senet_mm.apis import get_model
from senet_mm.converters import convert, convert_back
from senet_mm.converters.formats import (
    CAFFE,
    FORMATS,
    MMPRETRAIN,
    MOSKOMULE,
    SHICAI,
    TENSORS,
    TIMM,
    TIMM_LEGACY,
    TORCHVISION,
    their_name,
)
from senet_mm.converters.recognition import find_kinds, fitting, list_kinds, recognise
from senet_mm.converters.target import Target
from senet_mm.detection import torchvision_backbone
from senet_mm.engine import Runner
from senet_mm.registry import MODELS

from ..conftest import load_tool
from ..engine.test_runner import digits

NAME = 'seresnet8_1xb64_digits'
RGB = 'seresnet20_8xb16_cifar10'
TENSOR_FORMATS = [form for form in FORMATS if form.files is TENSORS]
KINDS = {
    "timm's legacy networks": ['timm'],
    "today's timm": ['timm'],
    'mmpretrain': ['mmpretrain'],
    "moskomule's senet.pytorch": ['moskomule'],
    'torchvision': ['timm', 'torchvision'],  # their plain ResNets have the same names
}


def theirs(form):
    """Our network with the names of another project."""
    state = get_model(NAME).state_dict()
    return {name: value for key, value in state.items() if (name := their_name(key, form))}


def save(content, folder):
    torch.save(content, folder / 'theirs.pth')
    return folder / 'theirs.pth'


def test_the_command_line_has_every_kind():
    tool = load_tool('tools/model_converters/convert.py')
    for kind in list_kinds():
        assert tool.parse_args([kind, 'a', 'b', '--model', 'c']).kind == kind
    with pytest.raises(SystemExit):
        tool.parse_args(['other', 'a', 'b', '--model', 'c'])


@pytest.mark.parametrize('form', TENSOR_FORMATS, ids=lambda form: form.title)
def test_names_tell_the_format(form):
    names = theirs(form)
    assert find_kinds('x.pth', names) == KINDS[form.title]
    assert recognise(form.kind, names) is form


BOTTLENECKS = [form for form in FORMATS if form is not MMPRETRAIN]


@pytest.mark.parametrize('form', BOTTLENECKS, ids=lambda form: form.title)
def test_what_a_network_does_tells_the_format(form):
    options = {
        'model.backbone.stem.pool': form.pool,
        'model.backbone.block.style': form.style,
        'model.backbone.norm_cfg': dict(type='BN', eps=form.eps),
    }
    assert fitting(form.kind, Target('seresnet50_8xb32_in1k', options=options)) is form


@pytest.mark.parametrize('part', ['', 'backbone.', 'head.'])
def test_our_own_files_are_nobody_elses(part):
    names = get_model(NAME).state_dict()
    assert find_kinds('x.pth', [n.removeprefix(part) for n in names if n.startswith(part)]) == []


def test_suffix_scope_and_layers():
    assert find_kinds('net.caffemodel') == ['caffe']
    assert find_kinds('net.safetensors') == find_kinds('net.pth', scope='senet_mm') == []
    for scope in ('mmpretrain', 'mmcls'):
        assert find_kinds('net.pth', scope=scope) == ['mmpretrain']
    assert find_kinds('net.bin', ['conv1/7x7_s2[0]', 'conv2_1_1x1_reduce[0]']) == ['caffe']
    assert find_kinds('net.bin', ['conv2_1/x1[0]', 'fc2_1/sqz[0]']) == ['caffe']


def test_marks_within_a_kind():
    """What has no marks is of the last format, whose error then says what is missing."""
    assert recognise('timm', ['layer0.conv1.weight']) is TIMM_LEGACY
    assert recognise('timm', ['x']) is TIMM
    assert recognise('mmpretrain', ['x']) is MMPRETRAIN
    assert recognise('torchvision', ['x']) is TORCHVISION
    assert recognise('caffe', ['x']) is CAFFE
    assert recognise('caffe', ['conv3_4/x1[0]', 'fc3_4/sqz[0]']) is SHICAI
    assert recognise('caffe', ['conv3_4/x1[0]']) is CAFFE
    assert recognise('moskomule', ['x']) is MOSKOMULE


def init_cfg(file, tmp_path):
    """The part ``backbone.`` alone, where mmpretrain has that."""
    backbone = dict(type='ResNet', depth=8, in_channels=1)
    backbone['init_cfg'] = dict(type='Pretrained', checkpoint=str(file))
    MODELS.build(backbone).init_weights()


def train(file, tmp_path):
    Runner.from_cfg(digits(tmp_path / 'out', load_from=str(file))).train()


WAYS = {
    'get_model': lambda file, tmp_path: get_model(NAME, file),
    'init_cfg': init_cfg,
    'load_from': train,
    'torchvision_backbone': lambda file, tmp_path: torchvision_backbone(RGB, file, (0, 1, 2)),
    'convert --reverse': lambda file, path: convert_back('timm', file, path / 'o.pth', NAME),
}


@pytest.mark.parametrize('way', WAYS.values(), ids=WAYS)
@pytest.mark.parametrize('form', TENSOR_FORMATS, ids=lambda form: form.title)
def test_every_way_names_the_command(form, way, tmp_path):
    """Wrapped as a training run has it; without a config."""
    file = save({'model': theirs(form), 'epoch': 3}, tmp_path)
    kinds = KINDS[form.title]
    message = (
        f'it is a file of {" or ".join(kinds)}; allowed: what python tools/model_converters/'
        f'convert.py {"|".join(kinds)} {file} NEW.pth --model CONFIG writes'
    )
    with pytest.raises(ValueError, match='does not fit ') as raised:
        way(file, tmp_path)
    assert str(raised.value).endswith(f'; {message}')
    assert len(str(raised.value).splitlines()) == 1


MMPRETRAIN_CONFIG = """
default_scope = {scope!r}
model = dict(type='ImageClassifier', backbone=dict(type={type!r}, depth=18, in_channels=1))
"""


@pytest.mark.parametrize('scope', ['mmpretrain', 'mmcls'])
@pytest.mark.parametrize('kind', ['SEResNet', 'ResNet'])
@pytest.mark.parametrize('way', ['get_model', 'load_from', 'torchvision_backbone'])
def test_a_checkpoint_with_mmpretrains_config(way, kind, scope, tmp_path):
    """Also a plain ResNet, whose tensors have our names: its class has ours."""
    text = MMPRETRAIN_CONFIG.format(scope=scope, type=kind)
    file = save(dict(state_dict=theirs(MMPRETRAIN), meta=dict(cfg=text)), tmp_path)
    with pytest.raises(ValueError, match=rf'made with model\S*\.type={scope}\.') as raised:
        WAYS[way](file, tmp_path)
    assert f'; allowed: what python tools/model_converters/convert.py mmpretrain {file} ' in str(
        raised.value
    )


def test_a_caffemodel_that_is_loaded(tmp_path):
    file = tmp_path / 'net.caffemodel'
    file.write_bytes(b'\x0a\x03net' + bytes(100))
    with pytest.raises(ValueError, match=r'is refused.*; allowed: what python .* caffe \S+ NEW'):
        get_model(NAME, file)


def test_the_wrong_kind(tmp_path):
    file = save(theirs(TIMM), tmp_path)
    with pytest.raises(ValueError, match=r'network of mmpretrain: .*; it is a file of timm; all'):
        convert('mmpretrain', file, tmp_path / 'o.pth', 'seresnet18_8xb32_in1k')
