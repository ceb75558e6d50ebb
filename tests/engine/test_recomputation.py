"""What is computed again to save memory gives what it gives when it is computed once."""

import copy

import pytest
import torch
from torch import nn

from senet_mm.engine.recomputation import Backward, Checkpointed
from senet_mm.utils.recompute import buffers_kept

from .test_preflight import make

pytestmark = pytest.mark.slow

OURS = {}
BACKBONE = dict(
    _delete_=True, type='mmpretrain.ResNet_CIFAR', depth=18, in_channels=1, base_channels=16,
    stem_channels=16,
)  # fmt: skip
MMPRETRAIN = {'model.backbone': BACKBONE, 'model.head.in_channels': 128}
FROZEN = {**MMPRETRAIN, 'model.backbone': {**BACKBONE, 'frozen_stages': 0}}
TIMM = {
    'model.backbone': dict(
        _delete_=True, type='mmpretrain.TIMMBackbone', model_name='resnet10t', in_channels=1
    ),
    'model.head.in_channels': 512,
    'model.se': None,
    'default_hooks.class_num_check': None,  # asks timm's network for its classes
}


# Network, options that compute something again.
CASES = {
    'key': (OURS, {'activation_checkpointing': ['backbone.layer1', 'backbone.layer3']}),
    'key, a text, frozen input': (FROZEN, {'activation_checkpointing': 'backbone.layer1'}),
    "mmpretrain's blocks": (MMPRETRAIN, {'model.backbone.with_cp': True}),
    'our blocks': (OURS, {'model.backbone.block.with_cp': True}),
    'timm': (TIMM, {}),
    'key around our blocks': (
        OURS,
        {'activation_checkpointing': 'backbone.layer1', 'model.backbone.block.with_cp': True},
    ),
    "key around mmpretrain's": (
        MMPRETRAIN,
        {'activation_checkpointing': 'backbone.layer1', 'model.backbone.with_cp': True},
    ),
}


def train(work_dir, options, again):
    seeded = {'randomness.seed': 0, 'val_evaluator': [dict(type='Accuracy')]}
    runner = make(work_dir, **seeded, **options)
    if again and 'timm_model' in dict(runner.model.backbone.named_children()):
        runner.model.backbone.timm_model.set_grad_checkpointing()
    runner.train()
    return runner.model.state_dict()


@pytest.mark.parametrize('name', CASES)
def test_training_is_that_of_the_plain_network(tmp_path, name):
    network, options = CASES[name]
    plain = train(tmp_path / 'plain', network, again=False)
    again = train(tmp_path / 'again', {**network, **options}, again=True)
    counts = {int(value) for key, value in plain.items() if key.endswith('num_batches_tracked')}
    assert counts <= {0, 2}
    assert 2 in counts
    assert list(again) == list(plain)
    for key, value in plain.items():
        torch.testing.assert_close(again[key], value, msg=key)


@pytest.mark.parametrize(
    ('name', 'wrapped'),
    [('our blocks', False), ('key, a text, frozen input', False), ("mmpretrain's blocks", True)],
)
def test_buffers_are_copied_once(tmp_path, monkeypatch, name, wrapped):
    copied = []

    def counting(modules):
        modules = list(modules)
        copied.extend({part for module in modules for part in module.modules()})
        return buffers_kept(modules)

    monkeypatch.setattr('senet_mm.utils.recompute.buffers_kept', counting)
    monkeypatch.setattr('senet_mm.engine.recomputation.buffers_kept', counting)
    network, options = CASES[name]
    runner = make(tmp_path, **{**network, **options}, **{'val_evaluator': [dict(type='Accuracy')]})
    runner.train()
    assert isinstance(runner.optim_wrapper.backward, Backward) is wrapped
    norms = [part for part in copied if isinstance(part, nn.BatchNorm2d)]
    assert norms
    assert {norms.count(norm) for norm in norms} == {runner.iter}


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ('backbone.layerx', "ImageClassifier runs no module 'backbone.layerx'; allowed: .*layer"),
        (['backbone.layer1', 'backbone.layer1'], "'backbone.layer1' is there twice"),
    ],
)
@pytest.mark.parametrize('key', ['activation_checkpointing', 'efficient_conv_bn_eval'])
def test_paths_are_checked_when_the_model_is_built(tmp_path, key, given, message):
    with pytest.raises(ValueError, match=f'{key}: {message}'):
        make(tmp_path, **{key: given})


def test_a_copy_runs_its_own_modules():
    """As the one that averages weights."""
    module = nn.Linear(2, 2)
    module.forward = Checkpointed(module, module.forward)
    again = copy.deepcopy(module)
    nn.init.zeros_(again.weight)
    x = torch.ones(1, 2)
    assert torch.equal(again(x), again.bias[None])
    assert not torch.equal(module(x), again(x))
