import copy
import csv

import numpy as np
import pytest
import torch
from torch import nn

from senet_mm.analysis import (
    GateRecorder,
    examine,
    find_class,
    find_gates,
    gates_to_markdown,
    paper_blocks,
    write_csv,
)
from senet_mm.models import ResNet, SEBNInception, SELayer, SEResNet

NAMES = ['zero', 'one', 'two']
LABELS = torch.tensor([0, 1, 1, 0, 1])


def run(model, images, labels=LABELS, **options):
    """Gates of a model on images that come in batches of two."""
    recorder = GateRecorder(model, NAMES, **options)
    with torch.no_grad():
        for image, label in zip(images.split(2), labels.split(2), strict=True):
            recorder.labels = label
            model(image)
    recorder.remove()
    return recorder.excitation


def constant(bias):
    """A layer whose gates are the sigmoid of some numbers, whatever the image."""
    layer = SELayer(len(bias), ratio=2)
    nn.init.zeros_(layer.fc2.weight)
    layer.fc2.bias.data = torch.tensor(bias)
    return layer


def test_blocks_are_named_as_in_the_paper():
    names = list(find_gates(SEResNet(50)))
    assert names[:4] == ['SE_2_1', 'SE_2_2', 'SE_2_3', 'SE_3_1']
    assert len(names) == 16
    expected = ['SE_2_3', 'SE_3_4', 'SE_4_6', 'SE_5_1', 'SE_5_2', 'SE_5_3']
    assert paper_blocks(names) == expected
    assert list(find_gates(nn.ModuleDict(dict(module=SEResNet(8))))) == [
        'SE_2_1', 'SE_3_1', 'SE_4_1',
    ]  # fmt: skip


def test_other_blocks_have_the_path_of_the_layer():
    names = list(find_gates(SEBNInception()))
    assert names[0] == 'inception_3a.se'
    assert paper_blocks(names) == names
    two = nn.Sequential()
    two.layer1 = nn.Sequential(nn.Sequential(SELayer(16), SELayer(16)))
    assert list(find_gates(two)) == ['layer1.0.0', 'layer1.0.1']


def test_no_gates():
    with pytest.raises(ValueError, match=r'^the network has no gates; allowed: one with'):
        find_gates(ResNet(8))


@pytest.mark.parametrize(
    ('given', 'index'),
    [('goldfish', 1), ('Carassius auratus', 1), ('0', 0), (3, 3), ('crane, bird', 2)],
)
def test_a_class_by_name_synonym_or_index(given, index):
    names = ('tench', 'goldfish, Carassius auratus', 'crane, bird', 'crane, machine')
    assert find_class(given, names) == index


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ('pug', "class 'pug' is not known; allowed: a name ('a', 'b, x', 'c, x', ...) or 0 to 2"),
        ('3', "class '3' is not known"),
        (-1, 'class -1 is not known'),
        ('x', "class 'x' is not unique; allowed: its index, one of [1, 2]"),
    ],
)
def test_an_unknown_class(given, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        find_class(given, ('a', 'b, x', 'c, x'))
    assert str(error.value).startswith(message)


@pytest.mark.parametrize('squeeze', ['AvgSqueeze', 'NoSqueeze'])
def test_moments_by_class(squeeze):
    """Gates with positions count as their mean over the positions."""
    layer = SELayer(8, ratio=1, squeeze_cfg=dict(type=squeeze)).double()
    images = 3 * torch.randn(5, 8, 3, 2, dtype=torch.float64)
    excitation = run(layer, images)
    gates = layer.scale(images).detach().mean((2, 3)).numpy()
    assert gates.std(0).min() > 1e-3
    assert excitation.counts == {0: 2, 1: 3, 2: 0}
    assert excitation.largest(3) == [1, 0]
    for label in (0, 1, None):
        of_class = gates if label is None else gates[label == LABELS]
        moments = excitation.moments('', label)
        np.testing.assert_allclose(moments.mean, of_class.mean(0), rtol=1e-12)
        np.testing.assert_allclose(moments.std, of_class.std(0), rtol=1e-9)


def test_classes_that_are_not_recorded_count_in_all():
    layer, images = SELayer(8, ratio=2), torch.randn(5, 8, 3, 2)
    every, one = run(layer, images), run(layer, images, classes=[1])
    assert one.counts == {1: 3}
    assert one.moments('').count.item() == 5
    torch.testing.assert_close(one.moments('').mean, every.moments('').mean)
    torch.testing.assert_close(one.moments('', 1).std, every.moments('', 1).std)


def test_what_has_no_label_is_not_recorded():
    recorder = GateRecorder(layer := SELayer(8, ratio=2), NAMES)
    recorder.labels = torch.tensor([2, 0])
    layer(torch.randn(4, 8, 3, 2))
    recorder.labels = torch.tensor([], dtype=torch.long)
    layer(torch.randn(4, 8, 3, 2))
    recorder.remove()
    assert recorder.excitation.counts == {0: 1, 1: 0, 2: 1}


def test_the_network_is_left_as_it_was():
    model, images = SEResNet(8).eval(), torch.randn(5, 3, 8, 8)
    before = copy.deepcopy(model)
    run(model, images)
    assert not any(module._forward_hooks for module in model.modules())
    assert repr(model) == repr(before)
    state = before.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(model(images)[0], before(images)[0])


def test_a_gate_that_is_never_called():
    recorder = GateRecorder(model := SEResNet(8), NAMES)
    with pytest.raises(RuntimeError, match='no gates were recorded in SE_2_1, SE_3_1, SE_4_1: '):
        recorder.remove()
    assert not any(module._forward_hooks for module in model.modules())


def test_thresholds_in_order():
    with pytest.raises(ValueError, match='allowed: the lower one, then the upper one'):
        GateRecorder(SELayer(16), NAMES, thresholds=(0.9, 0.1))


def test_saturated_and_dead_gates_are_found():
    layer = constant([20.0, -20.0, 0.0, 0.0, float('nan'), 3.0])
    layer.fc1.bias.data.fill_(1)
    layer.fc2.weight.data[3] = 1
    (report,) = examine(run(layer, torch.randn(5, 6, 3, 2)))
    assert report.findings == {
        'saturated high': [0],
        'saturated low': [1],
        'dead': [2, 5],
        'not finite': [4],
    }
    found = '1 saturated high, 1 saturated low, 2 dead, 1 not finite'
    assert report.summary == f': of 6 channels {found}'


def test_a_share_of_saturated_images():
    """Saturated where at least the share of the images is, by the recorder's thresholds."""
    images = torch.tensor([-1.0, 1, 1, 1, 1]).reshape(5, 1, 1, 1)
    layer = SELayer(1, ratio=1, bias=False)
    layer.fc1.weight.data.fill_(10)
    layer.fc2.weight.data.fill_(1)
    (report,) = examine(run(layer, images), saturated_share=0.8)
    assert report.findings['saturated high'] == [0]
    (report,) = examine(run(layer, images), saturated_share=0.81)
    assert report.summary == ''
    (report,) = examine(run(layer, images, thresholds=(0, 1)), saturated_share=0.8)
    assert report.summary == ''


def test_spread_between_classes():
    """Two classes with constant gates: all of the standard deviation is between them."""
    layer = SELayer(4, ratio=2)
    images = (2.0 * LABELS - 1)[:, None, None, None].expand(5, 4, 2, 2)
    (report,) = examine(run(layer, images))
    gates = layer.scale(images[:2]).detach().double()
    expected = ((gates[0] - gates[1]) / 2).abs().mean().item()
    assert report.class_std == pytest.approx(expected, rel=1e-6)
    (of_one,) = examine(run(layer, images, classes=[0]))
    assert of_one.class_std == 0
    (of_none,) = examine(run(layer, images, classes=[2]))
    assert of_none.class_std == 0


def test_csv_is_complete(tmp_path):
    excitation = run(SEResNet(8).eval(), torch.randn(5, 3, 8, 8))
    write_csv(excitation, tmp_path / 'excitation.csv')
    with open(tmp_path / 'excitation.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ['block', 'class', 'label', 'channel', 'mean', 'std', 'count']
    assert len(rows) == (16 + 32 + 64) * 3  # of two classes and of all images
    for row in rows:
        label = int(row['label']) if row['label'] else None
        moments = excitation.moments(row['block'], label)
        assert row['class'] == ('all' if label is None else NAMES[label])
        assert float(row['mean']) == pytest.approx(moments.mean[int(row['channel'])].item())
        assert float(row['std']) == pytest.approx(moments.std[int(row['channel'])].item())
        assert int(row['count']) == moments.count.item()
    keys = {(row['block'], row['label'], row['channel']) for row in rows}
    assert len(keys) == len(rows)


def test_table():
    table = gates_to_markdown(examine(run(constant([20.0, -20.0]), torch.randn(5, 2, 1, 1))))
    head, _, line = table.splitlines()
    assert head.startswith('| block | channels | mean | std | std between classes | saturated high')
    assert line == '|  | 2 | 0.5000 | 0.0000 | 0.0000 | 1 | 1 | 0 | 0 |'
