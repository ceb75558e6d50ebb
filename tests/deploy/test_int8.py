"""Networks in 8-bit integers: gates in float, calibration, what is compared, what is refused."""

import argparse
import contextlib
import importlib.util
import logging
import re

import onnxruntime
import openvino
import pytest
import torch
from mmengine.registry import init_default_scope
from onnx import numpy_helper
from torch import nn

from senet_mm.apis import get_config, get_model
from senet_mm.datasets import DamagedImageError, Digits
from senet_mm.deploy import read_record
from senet_mm.deploy.export import convert_to_openvino
from senet_mm.deploy.images import Images, read_images, training_set
from senet_mm.deploy.int8 import ENGINES, candidates, check_int8, quantise, write
from senet_mm.deploy.int8.engine import running_nncf
from senet_mm.deploy.int8.gates import Node, find_gates_in_graph
from senet_mm.deploy.report import compare_by_class, compare_logits
from senet_mm.engine.weights.record import record_of
from senet_mm.models.backbones import Bottleneck
from senet_mm.models.layers import SELayer
from senet_mm.utils.errors import InputError

from ..blocks import commands_run_by, words_of
from ..conftest import load_tool
from ..models.plain import disturb

CONFIG = 'seresnet8_1xb64_digits'
QUANTISERS = {'FakeQuantize', 'Convert', 'QuantizeLinear', 'DequantizeLinear'}
SQUEEZES = {'ReduceMean', 'ReduceMax', 'GlobalAveragePool', 'GlobalMaxPool', 'AdaptiveAvgPool'}
LAYERS = {
    'SE': dict(type='SELayer', ratio=16),
    'SE without biases': dict(type='SELayer', ratio=16, bias=False),
    'ECA': dict(type='ECALayer'),
}


def digits(layer=LAYERS['SE']):
    init_default_scope('senet_mm')
    torch.manual_seed(0)
    cfg = get_config(CONFIG)
    cfg.model.se.layer = layer
    return disturb(get_model(cfg))


def test_nncf_is_silent_and_its_log_is_left_as_it_was():
    pytest.importorskip('nncf')
    log, handler = logging.getLogger('nncf'), logging.NullHandler(logging.DEBUG)
    log.addHandler(handler)
    levels = log.level, handler.level
    try:
        with contextlib.suppress(KeyError), running_nncf():
            assert not log.isEnabledFor(logging.WARNING)
            raise KeyError
        assert (log.level, handler.level) == levels
    finally:
        log.removeHandler(handler)


@pytest.fixture(scope='module')
def model():
    """Trained for a second."""
    model = digits()
    images = read_images(training_set(model.cfg), model, 1257)
    optimizer = torch.optim.AdamW(model.parameters(), 0.003)
    model.train()
    for _ in range(3):
        for i in torch.randperm(1257).split(128):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images.inputs[i]), images.labels[i]).backward()
            optimizer.step()
    return model.eval()


@pytest.fixture(scope='module')
def calibration(model):
    return read_images(training_set(model.cfg), model, 20)


@pytest.fixture(scope='module')
def test_images(model):
    images = read_images(model.cfg.test_dataloader.dataset, model, 100)
    with torch.no_grad():
        assert (model(images.inputs).argmax(1) == images.labels).double().mean() > 0.85
    return images


@pytest.fixture(scope='module', params=ENGINES)
def to(request):
    return request.param


@pytest.fixture(scope='module')
def exported(model, to):
    return export(ENGINES[to], model)


@pytest.fixture
def export_once(exported, to, monkeypatch):
    monkeypatch.setattr(ENGINES[to], 'export', lambda *args: exported)


@pytest.fixture(scope='module')
def quantised(model, to, calibration, test_images):
    return quantise(model, to, calibration.inputs, test_images, control=None)


def export(engine, model):
    with torch.no_grad():
        return engine.export(model, torch.randn(2, 1, 8, 8))


def quantise_first(engine, network, images):
    """By the first method of a library."""
    return next(iter(engine.methods.values()))(network, images)


def walk_back(graph, name):
    """Kinds of operations from a gate's activation to its squeeze."""
    kinds, names = [], [name]
    while names:
        node = graph[names.pop()]
        kinds.append(node.kind)
        if node.kind not in SQUEEZES:
            names += node.inputs
    return kinds


@pytest.mark.parametrize('layer', LAYERS)
def test_no_quantiser_lies_inside_of_a_gate(to, layer, calibration):
    """Also with biases of zero, as initialised, which OpenVINO drops."""
    engine = ENGINES[to]
    model = digits(LAYERS[layer])
    if layer == 'SE':
        for name, parameter in model.named_parameters():
            if '.se.' in name and name.endswith('bias'):
                nn.init.zeros_(parameter)
    network = quantise_first(engine, export(engine, model), calibration.inputs[:3])
    graph = engine.graph(network)
    gates = [name for name, node in graph.items() if node.kind == 'Sigmoid']
    assert len(gates) == 3
    for gate in gates:
        kinds = walk_back(graph, gate)
        assert SQUEEZES & set(kinds)
        assert not QUANTISERS & set(kinds)
    assert QUANTISERS & {node.kind for node in graph.values()}


def test_the_export_has_no_early_squeeze(to):
    """With it, the gate of a bottleneck would not be recognised."""
    block = Bottleneck(32, 8)
    block.se = SELayer(32)
    network = nn.Sequential(block).eval()
    example = torch.randn(2, 32, 4, 4)
    engine = ENGINES[to]
    with torch.no_grad():
        gates = find_gates_in_graph(engine.graph(engine.export(network, example)))
        assert len(gates.products) == 1
        if to == 'openvino':
            early = engine.graph(convert_to_openvino(network, example))
            assert not find_gates_in_graph(early).products


def test_gates_are_found_by_the_shape_of_a_graph():
    def chain(*edges):
        return {name: Node(kind, inputs) for name, kind, inputs in edges}

    graph = chain(
        ('stem', 'Conv', ()),
        ('mean', 'ReduceMean', ('stem',)),
        ('fc', 'Conv', ('mean',)),
        ('gate', 'Sigmoid', ('fc',)),
        ('product', 'Mul', ('gate', 'stem')),
        ('twice', 'Mul', ('product', 'product')),
        ('other', 'Conv', ('stem',)),
        ('of two', 'Mul', ('twice', 'other')),
        ('scaled', 'Mul', ('of two',)),
    )
    inside, products = find_gates_in_graph(graph)
    assert inside == {'mean', 'fc', 'gate'}
    assert products == {'product'}


def load(path):
    """What a file computes, without this package."""
    if path.suffix == '.onnx':
        session = onnxruntime.InferenceSession(path)
        return lambda x: session.run(None, {'images': x.numpy()})[0]
    model = openvino.Core().read_model(path)
    compiled = openvino.compile_model(model, 'CPU', dict(INFERENCE_PRECISION_HINT='f32'))
    return lambda x: compiled(x.numpy())[0]


def test_the_file_alone_computes_the_same(quantised, test_images, tmp_path):
    """At a batch other than that of the export; it is smaller, and carries the record."""
    record = dict(preprocessing={}, classes=['a', 'b'], config='a = 1\n')
    path = write(quantised, tmp_path, test_images, record=record).path
    run = load(path)
    logits = torch.cat([torch.as_tensor(run(x)) for x in test_images.inputs.split(5)])
    expected = quantised.candidates[quantised.chosen].logits
    assert (logits - expected).norm() < 0.02 * expected.norm()
    assert (logits - quantised.logits).norm() < 0.1 * quantised.logits.norm()
    assert (logits - quantised.logits).abs().max() > 1e-4
    assert read_record(path)['classes'] == record['classes']


def test_images_in_names_out(model, calibration, test_images, tmp_path):
    """With `--preprocessing`, the scores are those of the logits."""
    result = quantise(model, 'onnx', calibration.inputs, test_images, control=None)
    record = dict(record_of(model), classes=list('abcdefghij'))
    path = write(result, tmp_path, test_images, record=record, with_images=True).path
    data = Digits('test', indices=1)[0]['img']
    names, scores = onnxruntime.InferenceSession(path).run(
        ['pred_class', 'pred_scores'], {'images': data[None]}
    )
    expected = result.candidates['int8'].logits[0].softmax(0)
    assert (torch.tensor(scores[0]) - expected).abs().max() < 1e-3
    assert names[0] == record['classes'][expected.argmax()]


def test_the_nearest_logits_are_chosen(quantised, to):
    wanted = {'onnx': 1, 'openvino': 3}[to]
    assert len(quantised.candidates) == wanted
    errors = {
        name: (candidate.logits - quantised.logits).square().mean().item()
        for name, candidate in quantised.candidates.items()
    }
    assert errors[quantised.chosen] == min(errors.values())
    assert len(set(errors.values())) == wanted
    assert all(candidate.quantisers > 20 for candidate in quantised.candidates.values())


def test_a_range_holds_all_images(exported, to, calibration):
    """Of two images, the one is eight times as bright."""
    images = torch.cat([calibration.inputs[:1], 8 * calibration.inputs[1:2]])
    network = quantise_first(ENGINES[to], exported, images)
    if to == 'onnx':
        constants = {t.name: numpy_helper.to_array(t) for t in network.graph.initializer}
        first = next(n for n in network.graph.node if n.input[0] == 'images')
        high = (255 - int(constants[first.input[2]])) * float(constants[first.input[1]])
    else:
        first = next(n for n in network.get_ordered_ops() if n.get_type_name() == 'FakeQuantize')
        high = first.input_value(2).get_node().get_data().item()
    assert high > 0.98 * images.max().item()


def test_calibration_uses_the_training_set_prepared_as_the_test(model):
    """Evenly from all of it, without augmentation, also inside of a wrapper."""
    train = Digits('train', pipeline=model.cfg.test_dataloader.dataset.pipeline)
    images = read_images(training_set(model.cfg), model, 10)
    assert images.total == len(train) == 1257
    for i, (image, label) in enumerate(zip(images.inputs, images.labels, strict=True)):
        sample = train[i * 1257 // 10]
        assert torch.equal(image, (sample['inputs'].float() - 78) / 96)
        assert label == sample['data_samples'].gt_label
    cfg = get_config(CONFIG)
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=inner)
    assert training_set(cfg)['dataset']['pipeline'] == cfg.test_dataloader.dataset.pipeline
    assert inner.pipeline[0].type == 'RandomCrop'


def test_a_small_set_is_used_whole_and_damaged_images_left_out(model, monkeypatch):
    get = Digits.__getitem__

    def get_some(self, index):
        if index in (0, 2):
            raise DamagedImageError(f'image {index} is damaged')
        return get(self, index)

    monkeypatch.setattr(Digits, '__getitem__', get_some)
    dataset = dict(training_set(model.cfg), indices=5)
    images = read_images(dataset, model, 300, skip_damaged=True)
    assert (len(images.inputs), images.total, len(images.damaged)) == (3, 5, 2)
    with pytest.raises(DamagedImageError):
        read_images(dataset, model, 300)
    with pytest.raises(DamagedImageError):
        read_images(dict(dataset, indices=1), model, 300, skip_damaged=True)


def test_what_is_compared():
    before = torch.eye(4)[[0, 1, 2, 3]] * 2
    after = before.clone()
    after[3] = torch.tensor([5.0, 0, 0, 2])
    after[2, 0] = torch.nan
    labels = torch.tensor([0, 1, 2, 0])
    rows = compare_logits(before, dict(a=before, b=after), labels)
    assert rows['accuracy (%)'] == ['75.00', '75.00', '75.00']
    # One image is lost, one won, of four.
    assert rows['drop (points, 95 % interval)'][1:] == [
        '0.00 (0.00 to 0.00)',
        '0.00 (-80.02 to 80.02)',
    ]
    assert rows['same top-1'] == ['', '4 of 4 images', '2 of 4 images']
    assert rows['largest logit difference'][1] == '0'
    assert 'accuracy (%)' not in compare_logits(before, dict(a=after), None)
    after[2, 0] = 0
    by_class = compare_by_class(before, after, labels, ['x', 'y', 'z'])
    assert [row['class'] for row in by_class] == ['x', 'y', 'z']
    assert [row['images'] for row in by_class] == [2, 1, 1]
    assert [row['accuracy before (%)'] for row in by_class] == [50, 100, 100]
    assert [row['accuracy after (%)'] for row in by_class] == [100, 100, 100]
    assert [row['same top-1'] for row in by_class] == [1, 1, 1]
    assert [row['mean logit difference'] for row in by_class] == [5 / 8, 0, 0]


def break_method(monkeypatch, engine):
    """Calibrate on images that are too dark, which costs nearly all accuracy."""
    name, method = next(iter(engine.methods.items()))
    monkeypatch.setattr(engine, 'methods', {name: lambda n, images: method(n, images * 0.1)})


@pytest.mark.usefixtures('export_once')
def test_a_drop_beyond_the_limit_is_controlled(model, to, test_images, calibration, monkeypatch):
    """Really: dark images lose most, with control little is lost."""
    small = Images(test_images.inputs[:40], test_images.labels[:40], 40, [])
    result = quantise(model, to, calibration.inputs * 0.1, small, lambda: small, max_drop=5)
    *_, first, last = result.candidates.values()
    before, broken, controlled = (
        (logits.argmax(1) == small.labels).double().mean()
        for logits in (result.logits, first.logits, last.logits)
    )
    assert broken < before - 0.2
    assert controlled >= before - 0.05
    assert result.chosen == 'int8, accuracy control'
    assert last.quantisers < first.quantisers


@pytest.mark.usefixtures('export_once')
def test_a_drop_that_stays_is_refused(model, to, test_images, calibration, monkeypatch, tmp_path):
    """The control is called with the fraction, on its own images; nothing is written."""
    called = []
    engine = ENGINES[to]
    break_method(monkeypatch, engine)
    [method] = engine.methods.values()

    def control(engine, network, calibration, images, labels, drop):
        called.append((len(images), drop))
        return method(network, calibration)

    monkeypatch.setattr(candidates, 'quantise_under_control', control)
    given = test_images._replace(inputs=test_images.inputs[:7], labels=test_images.labels[:7])
    result = quantise(model, to, calibration.inputs, test_images, lambda: given, max_drop=1.5)
    assert called == [(7, 0.015)]
    with pytest.raises(InputError, match=r'loses \S+ points .* by --max-drop: 1.5; nothing was'):
        write(result, tmp_path, test_images, max_drop=1.5)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures('export_once')
def test_a_drop_within_the_limit_needs_no_control(model, to, test_images, calibration):
    result = quantise(model, to, calibration.inputs, test_images, control=None, max_drop=50)
    assert 'int8, accuracy control' not in result.candidates


class Flat(nn.Module):
    """Has nothing to quantise."""

    def forward(self, x):
        return x.sin()


class Branching(nn.Module):
    """Cannot be exported."""

    def forward(self, x):
        return x.flatten(1) if x.sum() > 0 else -x.flatten(1)


@pytest.mark.parametrize(
    ('network', 'reason'), [(Flat(), 'finds nothing to quantise'), (Branching(), 'cannot quantise')]
)
def test_a_network_that_cannot_be_quantised(network, reason, to, test_images):
    with pytest.raises(InputError, match=f'^--int8: {ENGINES[to].name} {reason}') as caught:
        quantise(network, to, test_images.inputs[:3], test_images, control=None)
    assert '\n' not in str(caught.value)


@pytest.mark.usefixtures('export_once')
def test_labels_are_needed_for_a_drop(model, to, test_images, calibration):
    unlabelled = test_images._replace(labels=None)
    with pytest.raises(InputError, match='--max-drop needs labels; the images of the test set'):
        quantise(model, to, calibration.inputs, unlabelled, control=None, max_drop=1)


@pytest.mark.parametrize('missing', ['onnx', 'onnxruntime', 'openvino', 'nncf'])
def test_a_missing_package_is_named(missing, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name == missing else find(name)
    )
    target = 'onnx' if missing.startswith('onnx') else 'openvino'
    extra = 'deploy' if target == 'onnx' else 'openvino'
    with pytest.raises(ImportError, match=rf"^{missing} is not .*: pip install -e '.\[{extra}\]'"):
        check_int8(target, None)
    if missing == 'nncf':
        check_int8('onnx', None)
        with pytest.raises(ImportError, match=r'^nncf is not installed'):
            check_int8('onnx', 1.0)


def options(**given):
    defaults = dict(
        to='onnx', int8=True, images=None, batch_size=2, rounds=2, threads=1,
        calibration_images=None, max_drop=None, preprocessing=False, config='c', cfg_options={},
        squeeze=None,
    )  # fmt: skip
    return argparse.Namespace(**defaults | given)


WRONG = {
    '--int8 with --to fold; allowed: --to onnx, --to openvino': dict(to='fold'),
    '--int8 with --to compile; allowed: --to onnx, --to openvino': dict(to='compile'),
    '--max-drop 0.5; allowed: with --int8': dict(int8=False, max_drop=0.5),
    '--calibration-images 9; allowed: with --int8': dict(int8=False, calibration_images=9),
    '--max-drop -1; allowed: numbers from 0, in percentage points': dict(max_drop=-1),
    '--max-drop nan; allowed: numbers from 0, in percentage points': dict(max_drop=float('nan')),
    '--calibration-images 0: allowed: 1 and more': dict(calibration_images=0),
}


@pytest.mark.parametrize('message', WRONG)
def test_wrong_options(message):
    with pytest.raises(ValueError, match=f'^{re.escape(message)}$'):
        load_tool('tools/deploy.py').check(options(**WRONG[message]))


def test_numbers_of_images():
    check = load_tool('tools/deploy.py').check
    for given, images in ((options(), 1000), (options(int8=False), 32), (options(images=5), 5)):
        check(given)
        assert (given.images, given.calibration_images) == (images, 300)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'train_dataloader': None}, 'has no training set, on which --int8 calibrates; allowed: '),
        (
            {
                'train_dataloader.dataset.type': 'ImageNet',
                'train_dataloader.dataset.data_root': '/nowhere',
            },
            'image folder /nowhere/train does not exist',
        ),
    ],
)
def test_without_a_training_set(model, changes, message):
    cfg = get_config(CONFIG)
    cfg.merge_from_dict(changes)
    with pytest.raises((InputError, FileNotFoundError), match=message):
        read_images(training_set(cfg), model, 3)


def test_tool_reports_in_int8(run_tool, model, tmp_path):
    checkpoint = tmp_path / 'digits.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), checkpoint)
    [command] = commands_run_by('docs/deploy.md', 'test_tool_reports_in_int8')
    words = words_of(command, {'CONFIG': CONFIG, 'CHECKPOINT': checkpoint})
    options = ['--images', 60, '--calibration-images', 20, '--rounds', 2, '--work-dir', tmp_path]
    run = run_tool(*words, *options)
    assert run.returncode == 0, run.stderr
    assert 'calibrated on 20 of the 1257 images of the training set' in run.stdout
    lines = [line.strip('| ').split(' | ') for line in run.stdout.splitlines() if '|' in line]
    rows = {line[0]: line[1:] for line in lines}
    assert len(rows['accuracy (%)']) == 4
    assert {'quantisers', 'chosen', 'latency of one image', 'same top-1'} <= rows.keys()
    assert sum(int(rows[str(digit)][0]) for digit in range(10)) == 60
    path = tmp_path / 'model_int8.xml'
    assert read_record(path)['recipe'] == CONFIG
    assert path.with_suffix('.json').exists()
    assert len((tmp_path / 'int8_classes.csv').read_text().splitlines()) == 11
