"""Names that pick parameters or layers must be in the network."""

import re

import pytest
import torch
from mmengine.optim import DefaultOptimWrapperConstructor

from senet_mm.apis import get_config, list_models
from senet_mm.engine import Runner
from senet_mm.engine.classifier import build_classifier
from senet_mm.engine.network_names import LAYER_DECAY, SHARED, check_custom_keys, check_names
from senet_mm.registry import MODELS

DIGITS = 'seresnet8_1xb64_digits'
KEYS = 'optim_wrapper.paramwise_cfg.custom_keys'


def build_optimizer(options, folder):
    options = {**options, 'work_dir': str(folder)}
    runner = Runner.from_cfg(get_config(DIGITS, options))
    return runner, runner.build_optim_wrapper(runner.cfg.optim_wrapper)


MISSPELT = [
    ('backbon.layer1', "; did you mean 'backbone.layer1'?"),
    ('.se.fc3', "; did you mean 'se.fc"),
    ('layer4', "; did you mean 'layer"),
    ('head.fc.wieght', "; did you mean 'head.fc.weight'?"),
    ('.backbone', "; did you mean 'backbone'?"),
    ('xyz', "; allowed: parts of names as 'backbone.conv1.weight'"),
]


@pytest.mark.parametrize(('key', 'hint'), MISSPELT)
def test_key_that_matches_no_parameter(key, hint, tmp_path):
    message = f'{KEYS}[{key!r}] matches no parameter{hint}'
    with pytest.raises(ValueError, match=re.escape(message)):
        build_optimizer({KEYS: {'head': dict(lr_mult=2), key: dict(lr_mult=2)}}, tmp_path)


@pytest.mark.parametrize('key', ['backbone.layer1', '.se.', 'fc1', 'fc.bias', 'bn'])
def test_key_that_is_in_a_name_acts(key, tmp_path):
    runner, wrapper = build_optimizer({KEYS: {key: dict(lr_mult=7.0)}}, tmp_path)
    names = [name for name, _ in runner.model.named_parameters()]
    groups = wrapper.optimizer.param_groups
    base = runner.cfg.optim_wrapper.optimizer.lr
    assert [group['lr'] == 7 * base for group in groups] == [key in name for name in names]


@pytest.mark.parametrize('dot', ['', '.'])
@pytest.mark.parametrize('key', sorted(SHARED))
def test_key_of_a_schedule_that_many_networks_share(dot, key, tmp_path):
    build_optimizer({KEYS: {f'{dot}{key}': dict(decay_mult=0.0)}}, tmp_path)


def test_names_as_upstream_sees_them():
    """A parameter of the model itself has a dot before it, others have none."""
    model = MODELS.build(get_config(DIGITS).model)
    paramwise = dict(custom_keys={'.head': dict(lr_mult=1.0), 'head': dict(lr_mult=3.0)})
    constructor = DefaultOptimWrapperConstructor(
        dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1.0)), paramwise
    )
    groups = constructor(model).optimizer.param_groups
    assert max(group['lr'] for group in groups) == 3.0
    with pytest.raises(ValueError, match=r"custom_keys\['.head'\] matches no parameter"):
        check_custom_keys(dict(paramwise_cfg=paramwise), model)


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        ('{}', "custom_keys='{}'; allowed: a dict of dicts"),
        (dict(head=2), "custom_keys['head']=2; allowed: a dict of numbers"),
        (dict(head=dict(fc=dict(lr_mult=2))), 'a key with dots can be given in a file alone'),
    ],
)
def test_setting_that_is_none(keys, message):
    model = MODELS.build(get_config(DIGITS).model)
    with pytest.raises(ValueError, match=re.escape(message)):
        check_custom_keys(dict(paramwise_cfg=dict(custom_keys=keys)), model)


def test_setting_that_layer_decay_does_not_read():
    model = MODELS.build(get_config(DIGITS).model)
    wrapper = dict(
        constructor=f'mmpretrain.{LAYER_DECAY}',
        paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=2)}),
    )
    with pytest.raises(ValueError, match='reads no lr_mult; allowed: decay_mult'):
        check_custom_keys(wrapper, model)
    check_custom_keys({**wrapper, 'constructor': 'MyConstructor'}, model)


@pytest.mark.parametrize(
    ('layer', 'hint'),
    [
        ('Conv2D', "; did you mean 'Conv2d'?"),
        (['Conv2d', 'BathNorm2d'], "; did you mean 'BatchNorm2d'?"),
        ('Xyz', '; allowed: names of classes of layers'),
    ],
)
def test_layer_that_is_not_initialised(layer, hint, tmp_path):
    rule = [dict(type='Kaiming', layer=layer)]
    with pytest.raises(ValueError, match=re.escape(hint)):
        build_optimizer({'model.backbone.init_cfg': rule}, tmp_path)


FAMILIES = sorted({name.partition('_')[0] for name in list_models()})


@pytest.mark.parametrize('family', FAMILIES[::4])
def test_our_configs_name_nothing_that_is_not_there(family):
    name = list_models(f'{family}_*')[0]
    cfg = get_config(name)
    with torch.device('meta'):
        model = build_classifier(cfg, num_classes=2)
    check_names(cfg.optim_wrapper, cfg.model, model)


def test_layers_of_known_names_are_no_error():
    cfg = get_config(DIGITS)
    model = MODELS.build(cfg.model)
    for layer in ('_BatchNorm', '_InstanceNorm', 'GroupNorm', 'LayerNorm', 'SELayer', 'ResNet'):
        check_names({}, dict(init_cfg=dict(type='Constant', layer=layer)), model)
