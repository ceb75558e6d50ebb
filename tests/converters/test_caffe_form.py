"""Networks of Caffe of any names, which a prototxt maps to ours, against Caffe's interpreter."""

import re

import numpy as np
import pytest
import torch

from senet_mm.apis import get_model
from senet_mm.converters import CaffeLayer, read_caffemodel, write_caffemodel
from senet_mm.converters.caffe_form import _note_crop, _note_transform, _with_images
from senet_mm.converters.caffe_graph import read_graph
from senet_mm.converters.caffe_transform import read_transform
from senet_mm.converters.formats import SHICAI as SHICAI_FORMAT
from senet_mm.converters.prototxt import read_prototxt
from senet_mm.converters.se_modules import find_se
from senet_mm.converters.source import Source
from senet_mm.converters.target import Target
from senet_mm.converters.text_format import parse
from senet_mm.utils.errors import InputError

from ..blocks import texts_run_by
from ..conftest import load_tool
from .caffe_definitions import plain_mobilenet, plain_small_cnn, shicai_seresnet50, to_prototxt
from .caffe_interpreter import random_blobs, run
from .parity import NETS, caffe_model, convert, image, resize

SMALL = 'sesmallcnn_1xb128_cifar10'
RELEASED = 'seresnet50-caffe_8xb32_in1k'
SHICAI = 'seresnet50-shicai_8xb32_in1k'


def write(layers, side, top, folder, edit=lambda text: text):
    """The two files of a network with random weights, an image, and its logits."""
    picture = image(side)
    blobs = random_blobs(layers, picture, factor=1024, top=top)
    [logits] = run(layers, blobs, picture.double(), tops=(top,))
    write_caffemodel(folder / 'net.caffemodel', caffe_model(layers, blobs))
    (folder / 'net.prototxt').write_text(edit(to_prototxt(layers, side)))
    return picture.double(), logits.flatten(1)


def by_form(folder, config, *options):
    files = folder / 'net.caffemodel', folder / 'ours.pth'
    convert('caffe', *files, config, '--prototxt', str(folder / 'net.prototxt'), *options)
    return get_model(checkpoint=folder / 'ours.pth').double()


# Network, side, logits, config, options, lines on its first and its last module.
CASES = {
    'plain, a small CNN': (
        plain_small_cnn, 32, 'score', SMALL, (),
        'SE on part1_1 (64 channels, 4 hidden; InnerProduct and Scale): se1_1/ip1, se1_1/ip2 -> '
        'backbone.layer1.0.se',
        'se3_2/ip2 -> backbone.layer3.1.se',
    ),
    'plain, MobileNet': (
        plain_mobilenet, 64, 'fc7', 'semobilenetv1_8xb32_in1k', (),
        'SE on conv2_1/sep (64 channels, 4 hidden; InnerProduct and Scale): se2_1/ip1, se2_1/ip2 '
        '-> backbone.layer1.0.se',
        'se6_2/ip2 -> backbone.layer5.1.se',
    ),
    "shicai's": (
        shicai_seresnet50, 64, 'fc6', SHICAI, (),
        'SE on conv2_1/x3 (256 channels, 16 hidden; InnerProduct and Scale): fc2_1/sqz, fc2_1/exc '
        '-> backbone.layer1.0.se',
        'fc5_3/exc -> backbone.layer4.2.se',
    ),
    'released, Axpy': (
        lambda: resize(NETS['SE-ResNet-50'].layers, 64), 64, 'classifier', RELEASED,
        ('--class-order', 'source'),
        'SE on conv2_1_1x1_increase (256 channels, 16 hidden; Convolution and Axpy): '
        'conv2_1_1x1_down, conv2_1_1x1_up -> backbone.layer1.0.se',
        'conv5_3_1x1_up -> backbone.layer4.2.se',
    ),
    'released, Scale after Reshape': (
        lambda: resize(NETS['SE-BN-Inception'].layers, 96), 96, 'classifier',
        'se-bn-inception-caffe_8xb32_in1k', ('--class-order', 'source'),
        'SE on inception_3a/concat (256 channels, 16 hidden; Convolution and Scale): '
        'inception_3a_1x1_down, inception_3a_1x1_up -> backbone.inception_3a.se',
        'inception_5b_1x1_up -> backbone.inception_5b.se',
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    'case',
    [
        pytest.param(case, id=name, marks=[] if 'small' in name else pytest.mark.slow)
        for name, case in CASES.items()
    ],
)
def test_logits(case, tmp_path, capsys):
    make, side, top, config, options, first, last = case
    layers = make()
    picture, logits = write(layers, side, top, tmp_path)
    with torch.no_grad():
        ours = by_form(tmp_path, config, *options)(picture)
    assert 0.3 < logits.std() < 3
    assert (ours - logits).abs().max() < 1e-9
    count, *lines = [line for line in capsys.readouterr().out.splitlines() if 'SE ' in line]
    assert count == f'modules of SE in the prototxt: {len(lines)}'
    assert len(lines) == sum(layer.type == 'Sigmoid' for layer in layers)
    assert lines[0] == first
    assert lines[-1].endswith(last)


def test_images_are_those_of_the_prototxt(tmp_path, capsys):
    """Caffe's colours are BGR; mean and scale stand in the prototxt, or are those of Caffe."""
    write(plain_small_cnn(), 32, 'score', tmp_path)
    found = by_form(tmp_path, SMALL).origin.preprocessing
    assert (found['mean'], found['std']) == ([104, 117, 123], [1, 1, 1])
    assert (found['channel_order'], found['input_size']) == ('BGR', [3, 32, 32])

    transform = 'transform_param { mean_value: [103.94,116.78,123.68] scale: 0.017 crop_size: 32 '
    transform += 'mean_file: "m.binaryproto" }'
    layer = f'layer {{ name: "d" type: "Data" top: "data" top: "label" {transform} }}\n'
    loss = 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "l" }\n'
    other = layer.replace('{', '{ include { phase: TRAIN }', 1).replace('103.94', '1')
    _, _, text = (tmp_path / 'net.prototxt').read_text().partition('}\n')
    (tmp_path / 'net.prototxt').write_text(other + layer + text + loss)
    (tmp_path / 'ours.pth').unlink()
    found = by_form(tmp_path, SMALL).origin.preprocessing
    assert found['mean'] == [103.94, 116.78, 123.68]
    assert found['std'] == pytest.approx([1 / 0.017] * 3)
    assert 'mean_file m.binaryproto of the prototxt is not read' in capsys.readouterr().out
    assert found['channel_order'] == 'BGR'


[SHOWN] = texts_run_by('docs/weights.md', 'test_the_first_layer_without_a_counterpart_is_named')
# What is not the network of the config -> what the line says of it.
OTHERS = {
    'another ratio': (
        dict(ratio=4), SMALL,
        SHOWN.strip().removeprefix(f'error: prototxt net.prototxt for config {SMALL}: '),
    ),
    'another stride': (
        dict(stride=1), SMALL,
        'layer part2_1 has no counterpart: backbone.layer2.0.conv.conv in its place has stride '
        '(2, 2) for (1, 1)',
    ),
    'no SE there': (
        dict(with_se=False), SMALL,
        'layer part1_2 (Convolution, channels=(64, 64), kernel=(3, 3), stride=(1, 1), pad=(1, 1), '
        'dilation=(1, 1), groups=1, bias=False) has no counterpart; there it is '
        'backbone.layer1.0.se.squeeze (AvgSqueeze)',
    ),
    'no SE here': (
        {}, 'smallcnn_1xb128_cifar10',
        'layer se1_1/pool (Pooling) has no counterpart; there it is backbone.layer1.1.conv.conv '
        '(Conv2d, ',
    ),
    'another network': (
        {}, 'seresnet20_8xb16_cifar10',
        'layer first has no counterpart: backbone.conv1 in its place has channels (3, 16) for '
        '(3, 64)',
    ),
}  # fmt: skip


@pytest.mark.parametrize(('arguments', 'config', 'message'), OTHERS.values(), ids=OTHERS)
def test_the_first_layer_without_a_counterpart_is_named(arguments, config, message, tmp_path):
    write(plain_small_cnn(**arguments), 32, 'score', tmp_path)
    start = f'prototxt {tmp_path}/net.prototxt for config {config}: {message}'
    with pytest.raises(ValueError, match=f'^{re.escape(start)}'):
        by_form(tmp_path, config)
    assert not (tmp_path / 'ours.pth').exists()


def with_transform(text, fields):
    """The definition with a layer that reads images of 32 pixels, prepared as the fields say."""
    transform = f'transform_param {{ crop_size: 32 {fields} }}'
    _, _, rest = text.partition('}\n')
    return f'layer {{ name: "d" type: "Data" top: "data" top: "label" {transform} }}\n{rest}'


# Fields of transform_param -> what the line says after the layer.
TRANSFORMS = {
    'no scale': ('scale: 0', 'scale: 0.0; allowed: numbers from 1e-06 to 1e+06'),
    'a negative scale': ('scale: -1', 'scale: -1.0; allowed: '),
    'a tiny scale': ('scale: 1e-9', 'scale: 1e-09; allowed: '),
    'a huge scale': ('scale: 1e9', 'scale: 1000000000.0; allowed: '),
    'two means': (
        'mean_value: [1, 2]',
        'mean_value is given 2 times; allowed: once, or per channel (3)',
    ),
    'four means': ('mean_value: [1, 2, 3, 4]', 'mean_value is given 4 times; allowed: once, or p'),
    'a huge mean': ('mean_value: 1e30', 'mean_value: [1e+30]; allowed: numbers up to 1e+06'),
    'no number': ('mean_value: a', 'mean_value: a; allowed: numbers'),
}


@pytest.mark.parametrize(('fields', 'message'), TRANSFORMS.values(), ids=TRANSFORMS)
def test_what_a_transform_may_not_say(fields, message, small, tmp_path):
    text = with_transform((small / 'net.prototxt').read_text(), fields)
    (tmp_path / 'net.prototxt').write_text(text)
    (tmp_path / 'net.caffemodel').symlink_to(small / 'net.caffemodel')
    start = f'prototxt {tmp_path}/net.prototxt for config {SMALL}: layer d: transform_param: '
    with pytest.raises(InputError, match=re.escape(start + message)):
        by_form(tmp_path, SMALL)


STATED = dict(mean=[1, 2, 3], std=[2, 2, 2])
# Fields of transform_param -> mean and std for a known format, and for other names.
PREPARED = {
    'both': ('mean_value: [1, 2, 3] scale: 0.5', STATED, STATED),
    'one mean': ('mean_value: 7', dict(mean=[7] * 3, std=[1] * 3), dict(mean=[7] * 3, std=[1] * 3)),
    'scale alone': (
        'scale: 0.5',
        dict(mean=SHICAI_FORMAT.images['mean'], std=[2] * 3),
        dict(mean=[104, 117, 123], std=[2] * 3),
    ),
    'neither': (
        'mirror: false',
        {key: SHICAI_FORMAT.images[key] for key in ('mean', 'std')},
        dict(mean=[104, 117, 123], std=[1] * 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize(('fields', 'known', 'other'), PREPARED.values(), ids=PREPARED)
def test_a_transform_comes_before_what_is_known(fields, known, other):
    target = Target(SHICAI)
    transform = read_transform(parse(with_transform('}\n', fields)), 3)
    for form, expected in ((SHICAI_FORMAT, known), (None, other)):
        found = _with_images(form, transform, target)
        prepared = found.images | found.find_images(Source(''), '')
        assert {key: prepared[key] for key in expected} == expected
        assert prepared['channel_order'] == 'BGR'
        stated = form is not None and transform.is_given
        assert bool(_note_transform(form, transform)) == stated


@pytest.mark.parametrize(
    ('images', 'is_told'),
    [
        (dict(crop=224), True),
        (dict(crop=32), False),
        (dict(crop=[32, 32]), False),
        (dict(crop=[32, 24]), True),
        (dict(crop=None, input_size=[3, 32, 32]), False),
        (dict(crop=None, input_size=[3, 28, 28]), True),
        ({}, False),
    ],
)
def test_another_crop_is_told(images, is_told):
    transform = read_transform(parse(with_transform('}\n', '')), 3)
    assert bool(_note_crop(images, transform)) == is_told
    assert _note_crop(images, read_transform(parse(''), 3)) == []


@pytest.mark.parametrize(
    ('fields', 'mean', 'std'),
    [
        ('mean_value: 7 scale: 0.5', [7], [2]),
        ('scale: 0.5', [0], [2]),
        ('mirror: false', [120], [60]),
    ],
)
def test_grey_images(fields, mean, std):
    """Without a word of the prototxt they are those of the config."""
    transform = read_transform(parse(with_transform('}\n', fields)), 1)
    form = _with_images(None, transform, Target('seresnet29_1xb64_scenes'))
    found = form.images | form.find_images(Source(''), '')
    assert (found['mean'], found['std'], found['channel_order']) == (mean, std, None)


@pytest.mark.slow
def test_a_transform_with_the_names_of_shicai(tmp_path, capsys):
    fields = 'mean_value: [1, 2, 3] scale: 0.5'
    write(shicai_seresnet50(), 32, 'fc6', tmp_path, lambda text: with_transform(text, fields))
    found = by_form(tmp_path, SHICAI).origin.preprocessing
    assert {key: found[key] for key in STATED} == STATED
    line = "mean_value and scale are those of the prototxt, not of shicai's SENet-Caffe\n"
    assert line in capsys.readouterr().out


# Rules of a layer with weights beside the network -> whether its blobs may be there.
AUX = {
    'for training': ('include { phase: TRAIN }', True),
    'not for testing': ('exclude { phase: TEST }', True),
    'of another stage': ('include { stage: "deep" }', True),
    'unknown': (None, False),
}


@pytest.mark.parametrize(('rule', 'is_known'), AUX.values(), ids=AUX)
def test_blobs_of_layers_for_training(rule, is_known, small, tmp_path, capsys):
    model = read_caffemodel(small / 'net.caffemodel')
    blobs = [np.ones((5, 64), np.float32), np.ones(5, np.float32)]
    extra = CaffeLayer('aux', 'InnerProduct', blobs)
    write_caffemodel(tmp_path / 'net.caffemodel', model._replace(layers=[*model.layers, extra]))
    layer = 'layer { name: "aux" type: "InnerProduct" bottom: "data" top: "aux" %s }\n'
    text = (small / 'net.prototxt').read_text() + (layer % rule if rule else '')
    (tmp_path / 'net.prototxt').write_text(text)
    if is_known:
        by_form(tmp_path, SMALL)
        assert 'layers for training alone, left out: aux\n' in capsys.readouterr().out
    else:
        with pytest.raises(ValueError, match=re.escape('2 unexpected (aux[0], aux[1])')):
            by_form(tmp_path, SMALL)


# A change of the text -> what the line says.
EDITS = {
    'eps': ('eps: 1e-05', 'eps: 1e-3', 'layer first/bn has no counterpart: .* eps 1e-05 for 0.001'),
    'a slope': ('type: "ReLU"', 'type: "ReLU" relu_param { negative_slope: 0.1 }', 'negative_sl'),
    'an unknown field': ('num_output: 64', 'num_output: 64 shear: 2', r'layer first .*shear is no'),
    'an unknown message': ('type: "Sigmoid"', 'type: "Sigmoid" x_param {}', "field='x_param' is "),
    'an unknown type': ('"Sigmoid"', '"TanH"', r'sigmoid_se1_1/ip2 \(TanH\): its type is not kn'),
    'a number twice': ('num_output: 64', 'num_output: 64 num_output: 64', 'num_output is given 2'),
    'a bottom of nobody': ('bottom: "first"', 'bottom: "none"', 'no layer before it writes none'),
    'another axis': ('axis: 0', 'axis: 1', 'scales something else than the channels of a map'),
    'batch statistics': ('global_stats: true', 'global_stats: false', 'use_global_stats: false'),
    'no stride': ('stride: 1', 'stride: 0', 'stride: 0; allowed: whole numbers from 1'),
    'a huge kernel': ('kernel_size: 3', 'kernel_size: 2000000000', 'its output would be'),
    'a huge number': ('num_output: 64', f'num_output: {"9" * 10**5}', r'num_output: 99.*\.\.\. '),
    'a gate of a map': (
        'bottom: "se1_1/ip2"\ntop: "se1_1/s',
        'bottom: "first"\ntop: "se1_1/s',
        'scales s',
    ),
    'two results': ('bottom: "last"', 'bottom: "part3_2"', r'has 2 results \(last, score\)'),
    'grey images': ('dim: 3', 'dim: 1', 'for images of 1 channels, the network for 3'),
    'layers of 2014': ('layer {', 'layers {', "it has 'layers' of 2014"),
    'no brace': ('}', '', 'is damaged or no prototxt: line '),
}


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """The two files of the small CNN."""
    folder = tmp_path_factory.mktemp('small')
    write(plain_small_cnn(), 32, 'score', folder)
    return folder


@pytest.mark.parametrize(('old', 'new', 'message'), EDITS.values(), ids=EDITS)
def test_what_a_definition_may_not_say(old, new, message, small, tmp_path):
    text = (small / 'net.prototxt').read_text()
    assert old in text
    (tmp_path / 'net.prototxt').write_text(text.replace(old, new, 1))
    (tmp_path / 'net.caffemodel').symlink_to(small / 'net.caffemodel')
    with pytest.raises(ValueError, match=message) as raised:
        by_form(tmp_path, SMALL)
    assert str(tmp_path / 'net.prototxt') in str(raised.value)
    assert len(str(raised.value)) < 1000


def test_blobs_of_another_network(small, tmp_path):
    layers = plain_small_cnn(ratio=4)
    blobs = random_blobs(layers, image(32), top='score')
    write_caffemodel(tmp_path / 'net.caffemodel', caffe_model(layers, blobs))
    (tmp_path / 'net.prototxt').symlink_to(small / 'net.prototxt')
    with pytest.raises(ValueError, match=r'of another shape \(se1_1/ip1\[0\] '):
        by_form(tmp_path, SMALL)


@pytest.mark.parametrize('config', [SMALL, RELEASED])
def test_names_that_nobody_knows(config, small, tmp_path):
    """The line says what to do."""
    with pytest.raises(ValueError, match='--prototxt'):
        convert('caffe', small / 'net.caffemodel', tmp_path / 'o.pth', config)


def test_without_se(tmp_path, capsys):
    """A plain network, whose modules are none."""
    write(plain_small_cnn(with_se=False), 32, 'score', tmp_path)
    by_form(tmp_path, 'smallcnn_1xb128_cifar10')
    assert 'modules of SE in the prototxt: 0' in capsys.readouterr().out


@pytest.mark.parametrize('options', [('timm', 'a', 'b.pth'), ('caffe', 'a', 'b', '--reverse')])
def test_prototxt_belongs_to_caffe_alone(options, tmp_path):
    tool = load_tool('tools/model_converters/convert.py')
    with pytest.raises(ValueError, match='--prototxt '):
        tool.main(tool.parse_args([*options, '--model', SMALL, '--prototxt', 'x']))


def test_a_gate_that_is_not_of_se(small):
    """A module is found by its form: all parts, in this order, on the map that it scales."""
    text = (small / 'net.prototxt').read_text()
    count = len(list(find_se(read_graph(read_prototxt(small / 'net.prototxt')))))
    assert count == 6
    path = small / 'other.prototxt'
    for old, new in (('type: "Sigmoid"', 'type: "ReLU"'), ('bottom: "part1_1"', 'bottom: "first"')):
        at = text.index('"se1_1/pool"')
        path.write_text(text[:at] + text[at:].replace(old, new, 1))
        assert len(list(find_se(read_graph(read_prototxt(path))))) == count - 1


@pytest.mark.parametrize(
    ('arguments', 'is_named'),
    [
        (['caffe', 'a.caffemodel', 'b.pth'], True),
        (['timm', 'a.pth', 'b.pth'], False),
        (['caffe', 'a.pth', 'b.caffemodel', '--reverse'], False),
    ],
)
def test_prototxt_is_named_where_it_is_allowed(arguments, is_named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tool = load_tool('tools/model_converters/convert.py')
    with pytest.raises(ValueError, match='has the backbone SmallCNN; allowed: ') as raised:
        tool.main(tool.parse_args([*arguments, '--model', SMALL]))
    assert ('--prototxt' in str(raised.value)) == is_named
