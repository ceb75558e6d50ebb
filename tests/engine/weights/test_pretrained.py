"""``init_cfg=dict(type='Pretrained')``: everything is loaded or it is an error."""

from collections import OrderedDict

import pytest
import torch
from mmengine.registry import DefaultScope

from senet_mm.apis import get_model
from senet_mm.engine import Runner
from senet_mm.models import ImageClassifier, ResNet, insert_se

from ..test_runner import digits
from .test_checkpoint import save_hostile

pytestmark = pytest.mark.slow

CONFIG = 'configs/digits/seresnet8_1xb64_digits.py'
LAYER = dict(type='SELayer', ratio=16)


@pytest.fixture(params=['senet_mm', 'mmpretrain', None])
def init_weights(request, monkeypatch):
    """``network.init_weights()`` in our default scope, in another one or, as in a script, none."""

    def init_weights(network):
        with monkeypatch.context() as patch:
            patch.setattr(DefaultScope, '_instance_dict', OrderedDict())
            with DefaultScope.overwrite_default_scope(request.param):
                network.init_weights()
        return network

    return init_weights


@pytest.fixture
def source():
    return get_model('seresnet8_1xb64_digits')


def save(tmp_path, state_dict):
    torch.save({'state_dict': state_dict, 'meta': {}}, tmp_path / 'source.pth')
    return str(tmp_path / 'source.pth')


def pretrained(file, **kwargs):
    return dict(type='Pretrained', checkpoint=file, **kwargs)


def backbone(init_cfg, **kwargs):
    model = ResNet(8, in_channels=1, init_cfg=init_cfg, **kwargs)
    insert_se(model, LAYER)
    return model


def equal(module, expected):
    state, expected = module.state_dict(), expected.state_dict()
    return all(torch.equal(state[name], expected[name]) for name in expected)


@pytest.mark.parametrize('prefix', [{}, {'prefix': 'backbone.'}, {'prefix': 'backbone'}])
def test_classifier_onto_the_backbone_alone(tmp_path, source, init_weights, prefix):
    file = save(tmp_path, source.state_dict())
    assert equal(init_weights(backbone(pretrained(file, **prefix))), source.backbone)


def test_backbone_onto_a_backbone(tmp_path, source, init_weights):
    file = save(tmp_path, source.backbone.state_dict())
    assert equal(init_weights(backbone(pretrained(file))), source.backbone)


@pytest.mark.parametrize('num_classes', [10, 3])
def test_classifier_onto_a_classifier(tmp_path, source, init_weights, logged, num_classes):
    """Also one with another head, which is then newly initialised, with a line."""
    model = ImageClassifier(
        backbone=dict(type='ResNet', depth=8, in_channels=1),
        se=dict(layer=LAYER),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=num_classes, in_channels=64),
        init_cfg=pretrained(save(tmp_path, source.state_dict())),
    )
    init_weights(model)
    assert equal(model.backbone, source.backbone)
    if num_classes == 10:
        assert equal(model.head, source.head)
        assert len(logged.messages) == 1
    else:
        assert model.head.fc.weight.std().item() == pytest.approx(0.01, rel=0.3)
        assert 'the head of 3 classes is newly initialised' in logged.text


@pytest.mark.parametrize('as_list', [False, True])
def test_zero_init_does_not_overwrite(tmp_path, source, init_weights, as_list):
    init_cfg = pretrained(save(tmp_path, source.state_dict()))
    network = backbone([init_cfg] if as_list else init_cfg, block=dict(zero_init_residual=True))
    assert equal(init_weights(network), source.backbone)


def test_inserted_layers_are_filled_too(tmp_path, source, init_weights):
    """``model.se`` fills the backbone before it is initialised, so its layers are part of it."""
    model = ImageClassifier(
        backbone=dict(
            type='ResNet',
            depth=8,
            in_channels=1,
            init_cfg=pretrained(save(tmp_path, source.state_dict())),
        ),
        se=dict(layer=LAYER),
    )
    init_weights(model)
    assert equal(model.backbone, source.backbone)


def plain(state):
    return {name: value for name, value in state.items() if '.se.' not in name}


@pytest.mark.parametrize(
    ('change', 'kwargs', 'message'),
    [
        (plain, {}, r'12 missing \(layer1.0.se.fc1.bias, .*\)$'),
        (
            lambda s: {**s, 'backbone.extra': s['head.fc.bias']},
            {'prefix': 'backbone.'},
            r'1 unexpected \(extra\)$',
        ),
        (
            lambda s: {**s, 'backbone.conv1.weight': torch.zeros(16, 1, 5, 5)},
            {},
            r'1 of another shape \(conv1.weight \(16, 1, 5, 5\) for \(16, 1, 3, 3\)\)$',
        ),
        (
            lambda s: {**s, 'backbone.bn1.weight': 'one'},
            {},
            r'1 of another type \(bn1.weight str for float\)$',
        ),
        (
            lambda s: s,
            {'prefix': 'neck.'},
            r"nothing under prefix='neck.'; allowed: backbone, head$",
        ),
        (lambda s: {}, {}, r'holds no tensors by name$'),
        (lambda s: [1], {}, r'holds no tensors by name$'),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, source, init_weights, change, kwargs, message):
    file = save(tmp_path, change(source.state_dict()))
    with pytest.raises(ValueError, match=r'source.pth .*' + message) as raised:
        init_weights(backbone(pretrained(file, **kwargs)))
    assert '\n' not in str(raised.value)


def test_hostile_file_is_refused_and_not_run(tmp_path, init_weights):
    file, proof = save_hostile(tmp_path, torch.save)
    with pytest.raises(ValueError, match='is refused'):
        init_weights(backbone(pretrained(str(file))))
    assert not proof.exists()


def test_training_by_a_config_starts_from_the_backbone(tmp_path, source):
    file = save(tmp_path, source.state_dict())
    options = {
        'model.backbone.init_cfg': pretrained(file),
        'optim_wrapper.optimizer.lr': 0.0,
        'train_cfg.max_epochs': 1,
    }
    runner = Runner.from_cfg(digits(tmp_path, **options))
    runner.train()
    (file,) = tmp_path.glob('*/*.log')
    assert 'ResNet: loaded ' in file.read_text()
    assert torch.equal(runner.model.backbone.conv1.weight, source.backbone.conv1.weight)
    assert not torch.equal(runner.model.head.fc.weight, source.head.fc.weight)


def test_training_from_the_plain_network_is_one_line(tmp_path, source, run_tool):
    file = save(tmp_path, plain(source.state_dict()))
    run = run_tool(
        'tools/train.py', CONFIG, '--work-dir', tmp_path, '--cfg-options',
        'model.backbone.init_cfg.type=Pretrained', f'model.backbone.init_cfg.checkpoint={file}',
    )  # fmt: skip
    assert run.returncode == 1
    assert 'does not fit the model of the config: 12 missing (layer1.0.se.fc1.bias' in run.stderr
    assert len(run.stderr.splitlines()) == 1
