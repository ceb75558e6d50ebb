"""Gates of the digits network, recorded by the hook, against all gates at once."""

import csv

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from senet_mm.analysis import ExcitationHook
from senet_mm.analysis.excitation_hook import get_labels
from senet_mm.engine import Runner

from ..engine.test_runner import digits


@pytest.fixture
def make_runner(tmp_path):
    """A runner of the digits config with the hook; returns both."""

    def make(options=None, **arguments):
        cfg = digits(tmp_path, **(options or {}))
        runner = Runner.from_cfg(cfg)
        hook = ExcitationHook(**arguments)
        runner.register_hook(hook)
        return runner, hook

    return make


def all_gates(runner):
    """Gates (N, C) of every block on the test set, anew from the inputs of the layers; labels."""
    model, gates, labels = runner.model.eval(), {}, []
    layers = {f'SE_{i + 1}_1': getattr(model.backbone, f'layer{i}')[0].se for i in (1, 2, 3)}
    handles = [
        layer.register_forward_pre_hook(
            lambda layer, args, name=name: gates.setdefault(name, []).append(layer.scale(args[0]))
        )
        for name, layer in layers.items()
    ]
    with torch.no_grad():
        for batch in runner.test_dataloader:
            data = model.data_preprocessor(batch)
            model(data['inputs'])
            labels += [sample.gt_label.item() for sample in data['data_samples']]
    for handle in handles:
        handle.remove()
    gates = {name: torch.cat(parts).flatten(1).double().numpy() for name, parts in gates.items()}
    return gates, np.array(labels)


@pytest.mark.parametrize('batch_size', [180, 128])
def test_equals_all_gates_at_once(make_runner, tmp_path, batch_size):
    runner, hook = make_runner({'test_dataloader.batch_size': batch_size})
    runner.test()
    gates, labels = all_gates(runner)
    assert list(hook.excitation.blocks) == list(gates)
    assert hook.excitation.counts == dict(enumerate(np.bincount(labels)))
    for block, of_block in gates.items():
        for label in (*range(10), None):
            expected = of_block if label is None else of_block[labels == label]
            moments = hook.excitation.moments(block, label)
            np.testing.assert_allclose(moments.mean, expected.mean(0), rtol=1e-5)
            np.testing.assert_allclose(moments.std, expected.std(0), rtol=1e-3, atol=1e-6)
    with open(tmp_path / 'excitation.csv', newline='') as file:
        assert len(list(csv.DictReader(file))) == (16 + 32 + 64) * 11
    assert not any(module._forward_hooks for module in runner.model.modules())


def test_saturated_gates_are_in_the_log(make_runner, tmp_path):
    runner, hook = make_runner(classes=['7'], out_dir=str(tmp_path / 'new' / 'folder'))
    se = runner.model.backbone.layer2[0].se
    torch.nn.init.zeros_(se.fc2.weight)
    torch.nn.init.constant_(se.fc2.bias, 20.0)
    torch.nn.init.constant_(se.fc2.bias[:2], -20.0)
    torch.nn.init.zeros_(se.fc2.bias[30:])
    runner.test()
    (file,) = tmp_path.glob('*/*.log')
    assert 'SE_3_1: of 32 channels 28 saturated high, 2 saturated low, 2 dead' in file.read_text()
    assert list(hook.excitation.names) == [7]
    assert (tmp_path / 'new/folder/excitation.csv').exists()


def test_records_every_validation_of_a_training(make_runner, tmp_path):
    options = {'train_cfg.max_epochs': 1, 'custom_hooks': [dict(type='ExcitationHook')]}
    runner, _ = make_runner(options)
    runner.train()
    hooks = [hook for hook in runner.hooks if isinstance(hook, ExcitationHook)]
    gates, labels = all_gates(runner)  # the validation set is the test set
    for hook in hooks:
        moments = hook.excitation.moments('SE_4_1', 3)
        np.testing.assert_allclose(moments.mean, gates['SE_4_1'][labels == 3].mean(0), rtol=1e-5)
        assert hook.excitation.moments('SE_4_1').count.item() == 540


def test_views_of_an_image_count_each(tmp_path):
    """Test time augmentation: two views of each image, one of them its mirror image."""
    cfg = digits(tmp_path)
    mirror = [dict(type='RandomFlip', prob=prob) for prob in (0.0, 1.0)]
    views = dict(type='TestTimeAug', transforms=[mirror, [dict(type='PackInputs')]])
    cfg.test_dataloader.dataset.pipeline = [views]
    model = dict(cfg.model, data_preprocessor=cfg.pop('data_preprocessor'))
    cfg.model = dict(type='AverageClsScoreTTA', module=model)
    runner = Runner.from_cfg(cfg)
    runner.register_hook(hook := ExcitationHook())
    runner.test()
    assert list(hook.excitation.blocks) == ['SE_2_1', 'SE_3_1', 'SE_4_1']
    assert sum(hook.excitation.counts.values()) == 1080


def test_a_class_without_an_image(make_runner, tmp_path):
    runner, hook = make_runner({'test_dataloader.dataset.indices': [0]}, classes=range(10))
    runner.test()
    assert sum(hook.excitation.counts.values()) == 1
    (file,) = tmp_path.glob('*/*.log')
    assert file.read_text().count('no image of class ') == 9


@pytest.mark.parametrize('classes', [['ten'], [10]])
def test_unknown_class(make_runner, classes):
    runner, _ = make_runner(classes=classes)
    with pytest.raises(ValueError, match=r'is not known; allowed: a name .* or 0 to 9'):
        runner.test()


def test_no_gates(make_runner):
    runner, _ = make_runner({'model.se': None})
    with pytest.raises(ValueError, match='the network has no gates'):
        runner.test()


def test_data_without_classes_or_labels(make_runner):
    runner, _ = make_runner()
    runner.test_dataloader.dataset._metainfo.pop('classes')
    with pytest.raises(ValueError, match='the data set names no classes; set metainfo'):
        runner.test()
    for sample in (DataSample(), DataSample().set_gt_label([1, 2])):
        with pytest.raises(ValueError, match='allowed: data with one label per image'):
            get_labels([sample])
