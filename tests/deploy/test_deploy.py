"""What is deployed computes what was trained."""

import importlib
import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import pytest
import torch
from mmengine.registry import init_default_scope
from torch import nn
from torch._dynamo.utils import counters
from torch._inductor.utils import run_and_get_code

from senet_mm.apis import Classifier, get_model
from senet_mm.deploy import (
    TARGETS,
    EarlySqueeze,
    PackedConv,
    deploy,
    fold,
    make_report,
    pack,
    read_record,
)
from senet_mm.deploy.pack import _content as content
from senet_mm.engine.speed import has_fast_bf16
from senet_mm.engine.weights.record import record_of, to_meta
from senet_mm.models import ImageClassifier

from ..blocks import commands_run_by, words_of
from ..conftest import load_tool
from ..models.plain import disturb

# The package has a function of this name.
pack_module = importlib.import_module('senet_mm.deploy.pack')
SE = dict(layer=dict(type='SELayer', ratio=16))
# Backbone, channels of its output, SE, blocks whose gate comes early.
NETWORKS = {
    'bottlenecks': (dict(type='ResNet', depth=50), 2048, SE, 16),
    'basic blocks': (dict(type='ResNet', depth=18), 512, SE, 0),
    'ECA': (dict(type='ResNet', depth=50), 2048, dict(layer=dict(type='ECALayer')), 16),
    'scSE': (dict(type='ResNet', depth=50), 2048, dict(layer=dict(type='SCSELayer')), 0),
    'post': (dict(type='ResNet', depth=50), 2048, dict(SE, position='post'), 0),
    'preact': (dict(type='PreActResNet', depth=110), 64, SE, 0),
    'mmpretrain': (dict(type='mmpretrain.MobileNetV2'), 1280, SE, 0),
}


@pytest.mark.parametrize('name', NETWORKS)
def test_folding_changes_nothing_but_rounding(name):
    backbone, channels, se, early = NETWORKS[name]
    head = dict(type='LinearClsHead', num_classes=10, in_channels=channels)
    model = ImageClassifier(backbone, dict(type='GlobalAveragePooling'), head, se=se)
    model = disturb(model).eval()
    folded = fold(model)
    x = torch.randn(3, 3, 64, 64)
    assert sum(isinstance(module, EarlySqueeze) for module in folded.modules()) == early
    with torch.no_grad():
        expected = model(x)
        assert (folded(x) - expected).norm() < 1e-4 * expected.norm()
        packed = pack(folded)
        for batch in (x, x[:1]):
            expected = model(batch)
            assert (packed(batch) - expected).norm() < 1e-4 * expected.norm()
    assert any(isinstance(module, PackedConv) for module in packed.modules())


@pytest.fixture
def threads_kept():
    """The number of threads is afterwards as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_packed_weights_do_not_depend_on_the_calls_before(threads_kept, monkeypatch):
    """A map, its mean, another size, batch, or number of threads: as if it had come first."""
    dtype = torch.bfloat16 if has_fast_bf16('cpu') else torch.float32
    conv = nn.Conv2d(256, 128, 1).to(dtype)
    maps = [torch.randn(n, 256, size, size).to(dtype) for n in (1, 4) for size in (14, 1, 28)]
    used = PackedConv(conv)
    with torch.no_grad():
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for x in maps:
                fresh = PackedConv(conv)
                assert torch.equal(used(x), fresh(x))
                [expected] = fresh.packed.values()
                assert content(used.packed[x.shape, threads]) == content(expected)
        assert len(used.packed) == 12
        assert len({id(weight) for weight in used.packed.values()}) < 6
        monkeypatch.setattr(pack_module, 'REMEMBERED', 12)
        for size in (9, 10):
            used(torch.randn(1, 256, size, size).to(dtype))
        # The oldest were forgotten, those alone.
        shapes = [(tuple(shape[2:]), threads) for shape, threads in used.packed]
        assert shapes[-2:] == [((9, 9), 2), ((10, 10), 2)]
        assert shapes[0] == ((28, 28), 1)
        assert len(shapes) == 12


@pytest.fixture(scope='module')
def digits():
    init_default_scope('senet_mm')
    torch.manual_seed(0)
    return disturb(get_model('seresnet8_1xb64_digits'))


def load(to, path):
    """What a file of a target computes, without this package."""
    if to == 'onnx':
        session = onnxruntime.InferenceSession(path)
        return lambda x: session.run(None, {'images': x.numpy()})[0]
    if to == 'openvino':
        options = dict(INFERENCE_PRECISION_HINT='f32')
        compiled = openvino.compile_model(openvino.Core().read_model(path), 'CPU', options)
        return lambda x: compiled(x.numpy())[0]
    return torch.export.load(path).module()


# Targets, and their precision: bfloat16 in what is built for the CPU where it has it.
TOLERANCES = dict(fold=0.05, compile=0.05, onnx=1e-4, openvino=0.05)


@pytest.mark.parametrize('to', TARGETS)
def test_any_batch_from_the_file(digits, tmp_path, to):
    """The file alone gives the logits, at batches other than that of the export."""
    deployed = deploy(digits, to, torch.randn(2, 1, 8, 8), tmp_path)
    run = load(to, deployed.path)
    for batch in (1, 5):
        x = torch.randn(batch, 1, 8, 8)
        with torch.no_grad():
            expected = digits(x)
            difference = torch.as_tensor(run(x)) - expected
        assert difference.norm() < TOLERANCES[to] * expected.norm()
    x = torch.randn(2, 1, 9, 7)  # another size is right, or an error
    if to == 'openvino':
        with torch.no_grad():
            expected = digits(x)
        assert (torch.as_tensor(run(x)) - expected).norm() < TOLERANCES[to] * expected.norm()
    else:
        with pytest.raises(Exception, match=r'Got: 9 Expected: 8|Guard failed: .* == 8'):
            run(x)


@pytest.mark.slow
@torch._dynamo.config.patch(recompile_limit=1)
def test_compiled_weights_are_frozen(digits, tmp_path):
    """Convolutions take weights that were laid out when they were compiled, for every shape."""
    deployed = deploy(digits, 'compile', torch.randn(2, 1, 8, 8), tmp_path)
    x = torch.randn(3, 1, 8, 8)
    _, [code] = run_and_get_code(deployed.run, x)
    assert 'mkldnn__convolution_pointwise' in code
    assert 'aten_convolution' not in code
    compiled = counters['frames']['ok']
    deployed.run(x[:1])
    assert counters['frames']['ok'] == compiled + 1


def test_a_missing_package_is_named(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    for to, extra in (('onnx', 'deploy'), ('openvino', 'openvino')):
        with pytest.raises(ImportError, match=rf"mend it with: pip install -e '.\[{extra}\]'"):
            deploy(digits, to, torch.randn(2, 1, 8, 8), tmp_path)


# By target; the page has those of two.
COMMANDS = {
    command.partition(' --to ')[2].split()[0]: command
    for command in commands_run_by('docs/deploy.md', 'test_tool_reports')
}


@pytest.mark.parametrize('to', TARGETS)
def test_tool_reports(digits, run_tool, tmp_path, to):
    checkpoint = tmp_path / 'digits.pth'
    torch.save(dict(state_dict=digits.state_dict(), meta={}), checkpoint)
    command = COMMANDS.get(to, f'python tools/deploy.py CONFIG CHECKPOINT --to {to}')
    words = words_of(command, {'CONFIG': 'seresnet8_1xb64_digits', 'CHECKPOINT': checkpoint})
    run = run_tool(*words, '--work-dir', tmp_path, '--rounds', 2, '--images', 20)
    assert run.returncode == 0, run.stderr
    rows = dict(line.strip('| ').split(' | ', 1) for line in run.stdout.splitlines() if '|' in line)
    assert {'latency of one image', 'images/s'} <= rows.keys()
    spread = float(rows['spread of the logits'].split()[0])
    assert float(rows['largest logit difference'].strip('| ')) < TOLERANCES[to] * spread
    agreed = int(rows['same top-1'].strip('| ').split()[0])
    assert 18 <= agreed <= 20
    if to == 'onnx':
        assert rows['same top-1, from images'].strip('| ') == '20 of 20 images'
    written = re.search(r'^(\S+): .*torch ', run.stdout, re.MULTILINE)[1]
    assert Path(written).exists()
    beside = json.loads(Path(written).with_suffix('.json').read_text())
    assert beside['preprocessing']['mean'] == digits.data_preprocessor.mean.flatten().tolist()
    assert read_record(written) == beside


FINETUNED = 'seresnet18_1xb32_folder'
FILE = ['--to', 'onnx', '--preprocessing', '--rounds', '2', '--images', '2', '--batch-size', '2']


@pytest.fixture(scope='module')
def finetuned(tmp_path_factory):
    """Somebody's weights, without the pictures."""
    model = get_model(FINETUNED, num_classes=3)
    meta = to_meta(record_of(model) | dict(classes=['a', 'b', 'c']))
    file = tmp_path_factory.mktemp('theirs') / 'theirs.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=meta), file)
    return file


def deploy_by_tool(monkeypatch, *arguments):
    tool = load_tool('tools/deploy.py')
    monkeypatch.setattr(sys, 'argv', ['deploy.py', *map(str, arguments)])
    tool.main(tool.parse_args())


@pytest.mark.slow
@pytest.mark.parametrize(
    ('arguments', 'reason', 'folder'),
    [
        (lambda file: [file, *FILE], 'without CONFIG there is no test set', 'theirs'),
        # The config before the options, the checkpoint after them.
        (
            lambda file: [FINETUNED, *FILE, file],
            r'the test set is not there \(image folder data/pictures does not exist; .*\)',
            FINETUNED,
        ),
    ],
)
def test_without_the_test_set(finetuned, arguments, reason, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    deploy_by_tool(monkeypatch, *arguments(finetuned))
    out = capsys.readouterr().out
    assert re.search(f'^{reason}: random images, agreement and accuracy are left out$', out, re.M)
    assert 'images/s' in out
    assert 'same top-1' not in out
    picture = np.random.default_rng(0).integers(0, 256, (300, 280, 3), np.uint8)
    [expected] = Classifier(finetuned)(picture)
    [result] = Classifier(tmp_path / f'work_dirs/{folder}/model.onnx')(picture)
    assert result['pred_class'] == expected['pred_class']
    assert np.allclose(result['pred_scores'], expected['pred_scores'], atol=1e-5)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['FILE', '--int8', '--to', 'onnx'], '^--int8 calibrates on the training set of a config;'),
        (['FILE', '--cfg-options', 'a=1'], r'^--cfg-options changes a config; allowed: CONFIG CH'),
        ([FINETUNED, 'FILE', '--int8', '--to', 'onnx'], r'^--int8 measures on the test set, and '),
        ([FINETUNED, 'FILE', '--cfg-options', 'data_root=no'], '^image folder no does not exist; '),
    ],
)
def test_what_needs_the_test_set(finetuned, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = [finetuned if word == 'FILE' else word for word in arguments]
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        deploy_by_tool(monkeypatch, *arguments)
    assert not list(tmp_path.rglob('*.onnx'))


def test_the_report_does_not_call_nan_the_same(digits):
    """Of four images one has a NaN in both, one in the second alone."""
    images = torch.rand(4, 1, 8, 8)
    images[0] = torch.nan

    def after(batch):
        logits = digits(batch)
        logits[1:2] = torch.inf
        return logits

    with torch.no_grad():
        for run, said in ((digits, '3 of 4 images, 1 with'), (after, '2 of 4 images, 2 with')):
            report = make_report(digits, run, images, batch_size=4, rounds=2)
            assert report['same top-1']['after'] == f'{said} logits that are not finite'
        report = make_report(digits, digits, images[1:], batch_size=4, rounds=2)
        assert report['same top-1']['after'] == '3 of 3 images'
