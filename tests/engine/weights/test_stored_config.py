"""A network from its checkpoint alone, and what a stranger's config may not do."""

import json
import os
import re

import pytest
import torch
from mmengine.config import Config

from senet_mm.apis import get_config, get_model
from senet_mm.engine.weights.record import record_of, to_meta
from senet_mm.engine.weights.stored_config import MAX_MODULES
from senet_mm.registry import MODELS
from senet_mm.utils.building import find_registered

NAME = 'seresnet8_1xb64_digits'


def save(path, name=NAME, classes=None, change=lambda cfg: None, **meta):
    """A checkpoint with a record, whose config is changed."""
    model = get_model(name)
    record = record_of(model) | dict(classes=classes)
    change(model.cfg)
    record['config'] = model.cfg.pretty_text
    torch.save(dict(state_dict=model.state_dict(), meta={**to_meta(record), **meta}), path)
    return model


@pytest.mark.parametrize('name', [NAME, 'sesmallcnn_1xb64_digits', 'seresnet20_8xb16_cifar10'])
def test_network_without_the_name_of_its_config(name, tmp_path):
    saved = save(tmp_path / 'a.pth', name)
    model = get_model(str(tmp_path / 'a.pth'))
    state, expected = model.state_dict(), saved.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in state.items())
    assert str(model) == str(saved)
    assert not model.training
    record = record_of(model)
    assert record['recipe'] == name
    assert record == record_of(get_model(name, tmp_path / 'a.pth')) | dict(config=record['config'])


def test_new_head_on_a_network_without_a_name(tmp_path):
    save(tmp_path / 'a.pth', classes=[str(i) for i in range(10)])
    model = get_model(checkpoint=tmp_path / 'a.pth', num_classes=3)
    assert model.head.fc.weight.shape[0] == 3
    assert model.dataset_meta == {}


def backbone(**changes):
    """A function that changes the backbone of a config."""
    return lambda cfg: cfg.model.backbone.update(changes)


def test_modules_of_a_stranger_are_not_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ('evil', 'evilscope'):
        (tmp_path / name).mkdir()
        code = f'open({str(tmp_path / "proof")!r}, "w")'
        (tmp_path / name / '__init__.py').write_text(code)
        (tmp_path / name / 'registry.py').write_text(code)
    custom = dict(custom_imports=dict(imports=['evil']))
    save(tmp_path / 'a.pth', change=lambda cfg: cfg.update(custom))
    assert get_model(checkpoint=tmp_path / 'a.pth')
    for kind in ('evil.Net', 'evilscope.Net', 'evil.registry.Net'):
        save(tmp_path / 'a.pth', change=backbone(type=kind))
        with pytest.raises(ValueError, match=f'backbone.type={kind!r} is not known'):
            get_model(checkpoint=tmp_path / 'a.pth')
        with pytest.raises(ValueError, match='does not fit the model of the config'):
            get_model(NAME, tmp_path / 'a.pth')
    save(tmp_path / 'a.pth', change=backbone(_scope_='evilscope'))
    with pytest.raises(ValueError, match="_scope_='evilscope'; allowed: senet_mm, mmpretrain"):
        get_model(checkpoint=tmp_path / 'a.pth')
    assert not (tmp_path / 'proof').exists()


def system(cfg):
    cfg.model.head.init_cfg = dict(type='os.system', command='touch proof')


def pipeline(**step):
    return lambda cfg: cfg.test_dataloader.dataset.pipeline.insert(0, step)


STRANGE = {
    'backbone': (backbone(type='os.system'), "model.backbone.type='os.system' is not known"),
    'function': (backbone(stem=dict(type='builtins.eval')), "stem.type='builtins.eval' is not"),
    'downloads': (
        lambda cfg: cfg.model.update(backbone=dict(type='TIMMBackbone', model_name='x')),
        "model.backbone.type='TIMMBackbone' is not known, or not built from a file alone",
    ),
    'initialisation': (system, "model.head.init_cfg.type='os.system' is not known"),
    'other classifier': (
        lambda cfg: cfg.model.update(type='HuggingFaceClassifier'),
        "model.type='HuggingFaceClassifier' is not known",
    ),
    'no classifier': (lambda cfg: cfg.model.update(type='ResNet'), 'allowed: ImageClassifier'),
    'step': (pipeline(type='os.system', command='x'), "pipeline.0.type='os.system' is not known"),
    'huge step': (pipeline(type='Pad', size=10**6), 'pipeline has 1000000; allowed: numbers up to'),
    'no type': (backbone(type=5), 'model.backbone.type=5 is not known'),
    'no dict': (lambda cfg: cfg.update(test_dataloader=5), 'test_dataloader=5; allowed: None or a'),
    'other network': (backbone(depth=20), r'does not fit the model of the config: \d+ missing'),
    'wide': (lambda cfg: cfg.model.head.update(num_classes=10**12), 'does not fit the model'),
    'unknown argument': (backbone(depths=8), "unexpected keyword argument 'depths'"),
}


@pytest.mark.parametrize('name', STRANGE)
def test_config_of_a_stranger(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    change, message = STRANGE[name]
    save('a.pth', change=change)
    with pytest.raises(ValueError, match=message) as raised:
        get_model(checkpoint='a.pth')
    assert str(raised.value).startswith('checkpoint a.pth')
    assert '\n' not in str(raised.value)
    assert os.listdir() == ['a.pth']


def test_a_config_cannot_make_modules_without_end(tmp_path):
    neck = dict(type='Many', number=MAX_MODULES + 1)
    save(tmp_path / 'a.pth', change=lambda cfg: cfg.model.update(neck=neck))

    @MODELS.register_module()
    class Many(torch.nn.Sequential):
        def __init__(self, number):
            super().__init__(*(torch.nn.ReLU() for _ in range(number)))

    try:
        with pytest.raises(ValueError, match=f'more than {MAX_MODULES} modules'):
            get_model(checkpoint=tmp_path / 'a.pth')
    finally:
        del MODELS.module_dict['Many']


def test_weights_of_other_files_are_left_out(tmp_path):
    init_cfg = dict(type='Pretrained', checkpoint='https://example.org/x-0123abcd.pth')

    def change(cfg):
        cfg.model.backbone.init_cfg = init_cfg
        cfg.model.head.init_cfg = [init_cfg]

    save(tmp_path / 'a.pth', change=change)
    assert get_model(checkpoint=tmp_path / 'a.pth', num_classes=3)


ALONE = 'allowed: with the config that it was made with, by name or path'


@pytest.mark.parametrize(
    ('meta', 'message'),
    [
        (None, f'a.pth alone does not say its network: it has no config; {ALONE}'),
        (dict(cfg='import os'), 'it cannot be read (line 1 is no assignment of a value to a name)'),
        (dict(cfg='a = 1'), 'its config is not compared, it has no model'),
        (dict(cfg='model = dict()\ndefault_scope = "mmpretrain"'), "is of scope 'mmpretrain'; "),
        (dict(cfg='model = dict()\nfilename = 1'), 'its config is not used: '),
    ],
)
def test_files_without_a_config(meta, message, tmp_path):
    state_dict = get_model(NAME).state_dict()
    torch.save(dict(state_dict=state_dict, meta=meta) if meta else state_dict, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=re.escape(message)):
        get_model(checkpoint=tmp_path / 'a.pth')


def test_neither_config_nor_checkpoint():
    with pytest.raises(ValueError, match='allowed: a config, a checkpoint, or both'):
        get_model()


def test_names_are_as_many_as_the_classes_of_the_network(tmp_path):
    save(tmp_path / 'a.pth', classes=['a', 'b'])
    message = (
        r'a.pth contradicts itself: it has the names of 2 classes \(a, b\), its network has 10'
    )
    for name in (None, NAME):
        with pytest.raises(ValueError, match=message):
            get_model(name, tmp_path / 'a.pth')


def test_classes_of_a_config_are_those_of_the_checkpoint(tmp_path):
    names = [str(i) for i in range(10)]
    save(tmp_path / 'a.pth', classes=names)
    cfg = get_config(NAME)
    cfg.test_dataloader.dataset.metainfo = dict(classes=names[::-1])
    assert get_model(cfg, tmp_path / 'a.pth').dataset_meta['classes'] == tuple(names)
    cfg.test_dataloader.dataset.metainfo = dict(classes=[*names[:9], 'ten'])
    with pytest.raises(ValueError, match=r"the config has classes that .* do not have: 'ten'"):
        get_model(cfg, tmp_path / 'a.pth')


@pytest.mark.parametrize('option', [dict(mean=[1.0]), dict(std=[2.0])])
def test_an_option_that_contradicts_the_record(option, tmp_path):
    save(tmp_path / 'a.pth')
    [(key, value)] = option.items()
    cfg = get_config(NAME, {f'data_preprocessor.{key}': value})
    with pytest.raises(ValueError, match=rf'a.pth was made with {key}=.*says {key}=\['):
        get_model(cfg, tmp_path / 'a.pth')


def test_a_registered_name_is_found_without_an_import():
    assert find_registered('ImageClassifier', MODELS).__module__.startswith('senet_mm.')
    assert find_registered('mmpretrain.ImageClassifier', MODELS).__module__.startswith('mmpretrain')
    assert find_registered('os.system', MODELS) is None
    assert find_registered(['ResNet'], MODELS) is None


def test_record_is_plain_data(tmp_path):
    save(tmp_path / 'a.pth')
    record = record_of(get_model(checkpoint=tmp_path / 'a.pth'))
    assert json.loads(json.dumps(record)) == record
    assert Config.fromstring(record['config'], '.py').model.backbone.type == 'ResNet'
