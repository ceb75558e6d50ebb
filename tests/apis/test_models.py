"""Networks by name, with and without weights."""

import re
import subprocess
import sys

import pytest
import torch
from mmengine import Config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner as MMRunner

import senet_mm
from senet_mm.apis import find_config, get_model
from senet_mm.models import ImageClassifier, ResNet
from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError

from ..conftest import ROOT
from ..engine.weights.test_checkpoint import save_hostile

NAME = 'seresnet8_1xb64_digits'


@pytest.fixture
def weights(tmp_path):
    """Weights of the digits network, 10 classes."""
    file = tmp_path / 'weights.pth'
    torch.save({'state_dict': get_model(NAME).state_dict(), 'meta': {}}, file)
    return file


def test_names_and_network_from_the_top_of_the_package():
    assert senet_mm.list_models('senet*') == [
        'senet154-caffe_64xb32-100e_in1k',
        'senet154_64xb32-100e-320px_in1k',
        'senet154_64xb32-100e-test320_in1k',
        'senet154_64xb32-100e_in1k',
        'senet154_8xb32_in1k',
    ]
    assert senet_mm.get_model is get_model


@pytest.mark.slow
def test_import_is_light_and_no_scope_is_needed(weights):
    code = (
        'import sys, senet_mm\n'
        'assert not {"torch", "mmengine", "mmpretrain"} & set(sys.modules)\n'
        f'model = senet_mm.get_model({NAME!r}, {str(weights)!r})\n'
        'assert not model.training\n'
        'from mmengine.registry import DefaultScope\n'
        'assert DefaultScope.get_current_instance() is None\n'
        'from senet_mm.models import SEResNet\n'
        f'init_cfg = dict(type="Pretrained", checkpoint={str(weights)!r})\n'
        'se = dict(layer=dict(type="SELayer", ratio=16))\n'
        'backbone = SEResNet(8, in_channels=1, se=se, init_cfg=init_cfg)\n'
        'backbone.init_weights()\n'
        'assert (backbone.conv1.weight == model.backbone.conv1.weight).all()\n'
        'SEResNet(20, se=se, init_cfg=init_cfg).init_weights()\n'
    )
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert 'SEResNet: loaded' in run.stdout
    assert 'utils.errors.InputError: checkpoint' in run.stderr.splitlines()[-1]
    assert 'does not fit' in run.stderr


@pytest.mark.parametrize('name', [NAME, f'{NAME}.py', f'configs/digits/{NAME}.py'])
def test_model_is_that_of_the_runner(name, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    model = get_model(name)
    cfg = Config.fromfile(find_config(name))
    cfg.work_dir = cfg.experiment_name = str(tmp_path)
    other = MMRunner.from_cfg(cfg).model
    assert str(model.data_preprocessor) == str(other.data_preprocessor)
    assert torch.equal(model.data_preprocessor.mean, other.data_preprocessor.mean)
    assert str(model) == str(other)


def test_without_checkpoint_weights_are_initialised():
    model = get_model('seresnet20_8xb16_cifar10', num_classes=3, device='cpu')
    assert isinstance(model, ImageClassifier)
    assert isinstance(model.backbone, ResNet)
    assert not model.training
    assert model(torch.rand(2, 3, 32, 32)).shape == (2, 3)
    assert model.head.fc.weight.std().item() == pytest.approx(
        0.01, rel=0.3
    )  # He et al., not torch's
    assert model.data_preprocessor.num_classes == 3


@pytest.mark.parametrize(
    ('shape', 'message'),
    [
        (8, 'fuse=8; allowed: a list of whole numbers from 1'),
        (True, 'fuse=True; allowed: a list of whole numbers from 1'),
        ('8x1x8x8', "fuse='8x1x8x8'; allowed: a list of whole numbers from 1"),
        ((2, 1, 8.0, 8), 'fuse=(2, 1, 8.0, 8); allowed: a list of whole numbers from 1'),
        ((0, 1, 8, 8), 'fuse=(0, 1, 8, 8); allowed: a list of whole numbers from 1'),
        ((1, 8, 8), 'fuse=(1, 8, 8); allowed: the shape of a batch, (N, C, H, W)'),
        ((2, 3, 8, 8), 'fuse=(2, 3, 8, 8): images of 3 channels, and the network takes 1'),
    ],
)
def test_shape_that_is_none(shape, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        get_model(NAME, fuse=shape)


def test_default_scope_is_left_as_it_was():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = get_model(NAME)
        assert DefaultScope.get_current_instance().scope_name == 'mmpretrain'
    assert isinstance(model.backbone, ResNet)


def test_checkpoint_fills_the_model(weights):
    model = get_model(NAME, weights)
    expected = torch.load(weights, weights_only=True)['state_dict']
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


def test_another_class_count_is_an_error_unless_asked_for(weights, logged):
    torch.save(get_model(NAME, num_classes=7).state_dict(), weights)
    with pytest.raises(ValueError, match=r'2 of another shape \(head.fc.bias \(7,\) for \(10,\)'):
        get_model(NAME, weights)
    model = get_model(NAME, weights, num_classes=4)
    assert logged.messages[-1].endswith(
        'has a head of 7 classes; the head of 4 classes is newly initialised '
        '(head.fc.weight, head.fc.bias)'
    )
    expected = torch.load(weights, weights_only=True)
    assert torch.equal(model.backbone.conv1.weight, expected['backbone.conv1.weight'])
    assert model.head.fc.weight.shape == (4, 64)
    assert model.head.fc.weight.std().item() == pytest.approx(0.01, rel=0.3)


def test_same_class_count_keeps_the_head(weights, logged):
    model = get_model(NAME, weights, num_classes=10)
    assert not any('initialised' in message for message in logged.messages)
    expected = torch.load(weights, weights_only=True)['state_dict']
    assert torch.equal(model.head.fc.weight, expected['head.fc.weight'])


@pytest.mark.parametrize('other', ['resnet8_1xb64_digits', 'seresnet20_8xb16_cifar10'])
def test_weights_of_another_network(weights, other):
    with pytest.raises(ValueError, match='does not fit the model of the config') as raised:
        get_model(other, weights, num_classes=5)
    assert '\n' not in str(raised.value)


def test_hostile_file_is_refused_and_not_run(tmp_path):
    file, proof = save_hostile(tmp_path, torch.save)
    with pytest.raises(ValueError, match=r'is refused: .*; allowed: tensors and plain data'):
        get_model(NAME, file)
    assert not proof.exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('seresnet8_1xb64_digit',), 'does not exist; did you mean seresnet8_1xb64_digits'),
        ((NAME, 'nowhere.pth'), 'checkpoint nowhere.pth does not exist'),
        ((NAME, None, 0), 'num_classes=0 must be a positive integer'),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        get_model(*arguments)


class Headless(BaseModel):
    """A network that is no classifier, as a detector."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return inputs


def test_a_network_without_a_head_is_no_classifier(monkeypatch):
    monkeypatch.setitem(MODELS.module_dict, 'Headless', Headless)
    with pytest.raises(InputError, match='is no classifier; allowed: a network'):
        get_model(Config(dict(model=dict(type='Headless'))))
