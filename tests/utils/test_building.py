"""Misspelt arguments are named, whoever builds an object from a config."""

import re

import pytest
from mmengine.registry import MODELS as MMENGINE
from mmpretrain.registry import MODELS as MMPRETRAIN

from senet_mm.models import ResNet
from senet_mm.registry import HOOKS, MODELS
from senet_mm.utils.errors import InputError, UserError, is_answer

# Config -> class of the error, message.
MISTAKES = {
    'near argument': (
        dict(type='ResNet', dept=50),
        TypeError,
        "unexpected keyword argument 'dept'; did you mean 'depth'?",
    ),
    'argument of a base': (
        dict(type='SEResNet', depth=50, frozen_stage=1),
        TypeError,
        "unexpected keyword argument 'frozen_stage'; did you mean 'frozen_stages'?",
    ),
    "mmpretrain's argument": (
        dict(type='ResNet', depth=50, num_stages=4, out_indices=(3,), style='pytorch'),
        TypeError,
        "unexpected keyword argument 'num_stages'; allowed with type='mmpretrain.ResNet'",
    ),
    'argument of the blocks': (
        dict(type='ResNet', depth=50, style='caffe'),
        TypeError,
        "unexpected keyword argument 'style'; allowed: block=dict(style=...)",
    ),
    'SE of a plain network': (
        dict(type='BNInception', se_ratio=16),
        TypeError,
        "unexpected keyword argument 'se_ratio'; allowed: model.se=dict(layer=...) in a config",
    ),
    "mmpretrain's argument, misspelt": (
        dict(type='ResNet', depth=50, nostage=4),
        TypeError,
        "got an unexpected keyword argument 'nostage'",
    ),
    'class': (
        dict(type=ResNet, dept=50),
        TypeError,
        "unexpected keyword argument 'dept'; did you mean 'depth'?",
    ),
    'one of a list': (
        [dict(type='ReLU'), dict(type='ResNet', dept=50)],
        TypeError,
        "unexpected keyword argument 'dept'; did you mean 'depth'?",
    ),
    'near type': (
        dict(type='Resnet', depth=50),
        KeyError,
        "type='Resnet' is not in the model registry; did you mean ResNet or",
    ),
    'frozen stages': (
        dict(type='mmpretrain.ResNet', depth=18, frozen_stages=9),
        ValueError,
        'frozen_stages=9: ResNet has fewer stages; allowed: -1 to their number',
    ),
}


def around(cfg):
    """A config that has another one in it, if that is of a network."""
    return dict(type='mmpretrain.ImageClassifier', backbone=cfg) if isinstance(cfg, dict) else cfg


@pytest.mark.parametrize('wrap', [dict, around], ids=['alone', 'within'])
@pytest.mark.parametrize(
    'registry', [MODELS, MMPRETRAIN, MMENGINE], ids=lambda registry: registry.scope
)
@pytest.mark.parametrize(('cfg', 'kind', 'message'), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(cfg, kind, message, registry, wrap):
    cfg = wrap(cfg) if isinstance(cfg, dict) else cfg
    with pytest.raises(UserError, match=re.escape(message)) as raised:
        registry.build(cfg)
    assert isinstance(raised.value, kind)


def test_a_parent_without_the_argument_is_not_named():
    with pytest.raises(UserError) as raised:
        MODELS.build(dict(type='ResNet', depth=50, nostage=4))
    assert 'mmpretrain' not in str(raised.value)


def test_other_errors_stay_as_they_are():
    """An argument that the config does not give is a mistake of whoever calls."""

    def call_wrongly(argument):
        return len(given=argument)

    with pytest.raises(TypeError) as raised:
        MODELS.build(dict(type=call_wrongly, argument=1))
    assert not isinstance(raised.value, UserError)


@pytest.mark.parametrize('type_', ['builtins.int', int])
def test_what_is_no_hook_is_refused(type_):
    with pytest.raises(InputError, match=r'^type=.*int.* is no Hook; allowed: a name in the hook'):
        HOOKS.build(dict(type=type_))


@pytest.mark.parametrize(
    ('error', 'is_an_answer'), [(TypeError, False), (KeyError, False), (ValueError, True)]
)
def test_faults_of_a_users_class_are_no_answers(error, is_an_answer):
    class Own:
        def __init__(self):
            raise error('wrong')

    with pytest.raises(error) as raised:
        MODELS.build(dict(type=Own))
    assert is_answer(raised.value) is is_an_answer


def test_a_missing_argument_of_a_users_class_is_an_answer():
    class Own:
        def __init__(self, size):
            pass

    with pytest.raises(TypeError, match='size') as raised:
        HOOKS.build(dict(type=Own))
    assert is_answer(raised.value)


def test_an_error_of_another_cause_is_not_taken_for_frozen_stages():
    class Broken(ResNet):
        def __init__(self, **kwargs):
            raise AttributeError('a bug')

    with pytest.raises(AttributeError, match='a bug') as raised:
        MODELS.build(dict(type=Broken, depth=18, frozen_stages=1))
    assert not isinstance(raised.value, InputError)


@pytest.mark.parametrize('type_', ['VGG', 'mmpretrain.VGG'])
def test_stages_are_frozen_when_the_network_is_built(type_):
    network = MODELS.build(dict(type=type_, depth=11, frozen_stages=1))
    frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
    assert frozen == ['features.0.conv.weight', 'features.0.conv.bias']
