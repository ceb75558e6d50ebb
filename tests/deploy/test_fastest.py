"""The form that is shipped is the faster one, and the file says so."""

import sys

import pytest
import torch
from mmengine.registry import init_default_scope

from senet_mm.apis import get_model
from senet_mm.config.names import get_config
from senet_mm.deploy import TARGETS, deploy, export, read_record
from senet_mm.deploy.fastest import Choice, choose_by_time, pick_fastest
from senet_mm.engine.weights.record import record_of
from senet_mm.utils.measure import Timing

from ..conftest import load_tool
from ..models.plain import disturb

EARLY = dict(early=Timing(3, 2, 4))


@pytest.mark.parametrize(
    ('others', 'chosen'),
    [
        (dict(late=Timing(1, 1, 1.9)), 'late'),
        (dict(late=Timing(1, 1, 2.1)), 'early'),  # within the spread
        (dict(late=Timing(9, 9, 9)), 'early'),
        (dict(late=Timing(1.5, 1, 1.9), other=Timing(1.2, 1, 1.8)), 'other'),
    ],
)
def test_another_form_must_be_faster_beyond_the_spread(others, chosen):
    assert choose_by_time(EARLY | others).name == chosen


def test_one_form_is_not_timed():
    assert pick_fastest(dict(late=lambda images: 1 / 0), torch.zeros(1)) == Choice('late', {})


@pytest.fixture(scope='module')
def bottlenecks():
    init_default_scope('senet_mm')
    torch.manual_seed(0)
    cfg = get_config('seresnet8_1xb64_digits')
    cfg.merge_from_dict({'model.backbone.depth': 29, 'model.head.in_channels': 256})
    return disturb(get_model(cfg))


def choosing(monkeypatch, chosen):
    """Let a form be the fastest; the list has the forms and batch of each choice."""
    asked = []

    def pick(runs, images):
        asked.append(([*runs], len(images)))
        times = {name: Timing(1.0 + (name != chosen), 0, 9) for name in runs}
        return Choice(chosen, times)

    monkeypatch.setattr(export, 'pick_fastest', pick)
    return asked


@pytest.mark.slow
@pytest.mark.parametrize('chosen', ['early', 'late'])
def test_what_is_faster_is_written_and_recorded(bottlenecks, tmp_path, monkeypatch, chosen):
    asked = choosing(monkeypatch, chosen)
    x = torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        expected = bottlenecks(x)
    deployed = deploy(bottlenecks, 'fold', x, tmp_path, record_of(bottlenecks))
    assert asked == [(['early', 'late'], 3)]
    program = torch.export.load(deployed.path).module()
    for run in (deployed.run, torch.no_grad()(program)):
        assert (run(x) - expected).norm() < 0.05 * expected.norm()
    assert ('addcmul' in program.code) == (chosen == 'early')
    record = read_record(deployed.path)['squeeze']
    seconds = {chosen: 1.0, ('late' if chosen == 'early' else 'early'): 2.0}
    threads = torch.get_num_threads()
    assert record == dict(chosen=chosen, batch_size=3, threads=threads, seconds=seconds)
    assert f'{chosen} squeeze (batch of 3: early ' in deployed.how


@pytest.mark.parametrize('to', TARGETS)
@pytest.mark.parametrize('squeeze', ['early', 'late'])
def test_a_form_that_was_asked_for(bottlenecks, tmp_path, monkeypatch, to, squeeze):
    """It alone is built, for one image as well, and nothing is timed."""
    built = []
    form = export.Form(lambda x: x, lambda folder: folder, 'as it is')
    monkeypatch.setitem(TARGETS, to, lambda *args: built.append(args[2]) or form)
    deployed = deploy(bottlenecks, to, torch.zeros(1, 1, 8, 8), tmp_path, squeeze=squeeze)
    assert built == [squeeze == 'early']
    assert deployed.how == f'as it is, {squeeze} squeeze'


def test_without_such_blocks_there_is_no_choice(tmp_path, monkeypatch):
    """Basic blocks end in a 3x3 convolution."""
    asked = choosing(monkeypatch, 'early')
    model = get_model('seresnet8_1xb64_digits')
    deployed = deploy(model, 'fold', torch.randn(1, 1, 8, 8), tmp_path, record_of(model))
    assert asked == []
    assert 'squeeze' not in read_record(deployed.path)
    assert 'squeeze' not in deployed.how


@pytest.mark.parametrize('to', TARGETS)
def test_an_early_squeeze_without_such_blocks(tmp_path, monkeypatch, to):
    """It is refused before anything is built; the late one is what there is."""
    form, built = export.Form(lambda x: x, lambda folder: folder, 'as it is'), []
    monkeypatch.setitem(TARGETS, to, lambda *args: built.append(args[2]) or form)
    model, x = get_model('seresnet8_1xb64_digits'), torch.zeros(1, 1, 8, 8)
    with pytest.raises(
        ValueError, match=r"^squeeze='early', and no block .*; allowed: auto, late$"
    ):
        deploy(model, to, x, tmp_path, squeeze='early')
    assert built == []
    deploy(model, to, x, tmp_path, squeeze='late')
    assert built == [False]


def test_squeeze_does_not_go_with_integers(monkeypatch):
    monkeypatch.setattr(
        sys, 'argv', ['deploy.py', 'a', 'b', '--to', 'onnx', '--int8', '--squeeze', 'late']
    )
    tool = load_tool('tools/deploy.py')
    with pytest.raises(ValueError, match=r'^--squeeze late with --int8; allowed: without --int8$'):
        tool.main(tool.parse_args())


def test_an_unknown_squeeze(bottlenecks, tmp_path):
    with pytest.raises(ValueError, match=r"^squeeze='both' is not known; allowed"):
        deploy(bottlenecks, 'fold', torch.zeros(1, 1, 8, 8), tmp_path, squeeze='both')
