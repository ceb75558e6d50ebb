"""Which keys of ``model`` make another network."""

import copy
from pathlib import Path

import pytest

from senet_mm.apis import find_config, get_config, list_models
from senet_mm.config.text import read_config_text
from senet_mm.engine.weights.same_network import compare_networks

NAME = 'seresnet50_8xb32_in1k'
ABLATED = 'seresnet50_8xb32-300e_in1k'


def model(name=NAME, **changes):
    cfg = get_config(name)
    cfg.merge_from_dict(
        {f'model.{key.replace("__", ".")}': value for key, value in changes.items()}
    )
    return cfg.model


def keys(given, other, *scopes):
    return [difference.key for difference in compare_networks(given, other, *scopes)]


# The last one of each folder.
BY_FOLDER = {Path(find_config(name)).parent: name for name in list_models()}


@pytest.mark.parametrize('name', BY_FOLDER.values())
def test_every_config_is_the_network_of_its_text(name):
    cfg = get_config(name)
    assert keys(cfg.model, read_config_text(cfg.pretty_text)['model']) == []


@pytest.mark.parametrize(
    ('other', 'key'),
    [
        ('seresnet50-tanh_8xb32-300e_in1k', 'se.layer.gate_cfg.type'),
        ('seresnet50-max_8xb32-300e_in1k', 'se.layer.squeeze_cfg.type'),
        ('seresnet50-r4_8xb32-300e_in1k', 'se.layer.ratio'),
        ('seresnet50-post_8xb32-300e_in1k', 'se.position'),
        ('seresnet50-stage4_8xb32-300e_in1k', 'se.stages'),
        ('resnet50_8xb32-300e_in1k', 'se'),
    ],
)
def test_ablations_are_others(other, key):
    base, other = model(ABLATED), model(other)
    assert keys(base, other) == keys(other, base) == [f'model.{key}']


def test_pooling_and_stride_placement():
    """Equal shapes, other results."""
    found = keys(model(), model('seresnet50-caffe_8xb32_in1k'))
    assert found == ['model.backbone.block.style', 'model.backbone.stem.pool']


SAME = [
    dict(backbone__block=dict(style='pytorch')),
    dict(backbone__block=dict(groups=1)),
    dict(backbone__stem=dict(pool='pad1')),
    dict(backbone__out_indices=[-1]),
    dict(se__position='standard'),
    dict(se__layer__gate_cfg=dict(type='Sigmoid')),
    dict(backbone__norm_cfg=dict(type='SyncBN', requires_grad=True)),
    dict(backbone__norm_cfg=dict(type='BN', eps=1e-5)),
    dict(backbone__block=dict(with_cp=True)),
    dict(backbone__frozen_stages=2, backbone__norm_eval=True),
    dict(backbone__drop_path_rate=0.2, backbone__block=dict(zero_init_residual=True)),
    dict(backbone__init_cfg=dict(type='Pretrained', checkpoint='x.pth')),
    dict(head__topk=(1,), head__loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1)),
    dict(head__cal_acc=True, train_cfg=dict(augments=dict(type='Mixup', alpha=0.2))),
    dict(data_preprocessor=dict(mean=[1, 2, 3])),
]


def test_a_depth_has_defaults_of_its_own():
    name = 'seresnext50-32x4d_8xb32_in1k'
    written = dict(backbone__block=dict(groups=32, width_per_group=4))
    assert keys(model(name), model(name, **written)) == []
    other = dict(backbone__block=dict(groups=64))
    assert keys(model(name), model(name, **other)) == ['model.backbone.block.groups']


@pytest.mark.parametrize('changes', SAME)
def test_what_gives_the_same_answers(changes):
    assert keys(model(), model(**changes)) == keys(model(**changes), model()) == []


OTHERS = [
    dict(backbone__norm_cfg=dict(type='BN', eps=1e-3)),
    dict(backbone__norm_cfg=dict(type='GN', num_groups=8)),
    dict(backbone__dilations=(1, 1, 2, 2)),
    dict(backbone__an_option_of_tomorrow=1),
    dict(se__layer__type='ECALayer'),
    dict(neck__type='GeneralizedMeanPooling'),
    dict(head__num_classes=7),
]


@pytest.mark.parametrize('changes', OTHERS)
def test_what_gives_others(changes):
    assert len(keys(model(), model(**changes))) == len(keys(model(**changes), model())) == 1


def test_types_are_looked_up_in_their_scope():
    plain = dict(
        type='ImageClassifier',
        backbone=dict(type='ResNet', depth=50, num_stages=4),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=2048),
    )
    ours = copy.deepcopy(plain)
    ours['backbone']['type'] = 'mmpretrain.ResNet'
    assert keys(ours, plain, ('senet_mm', 'mmpretrain')) == []
    for part in (plain, ours):
        part['backbone'] = dict(type='SEResNet', depth=50)
    assert keys(ours, plain, ('senet_mm', 'mmpretrain')) == ['model.backbone.type']


@pytest.mark.parametrize(
    'hostile',
    [
        'x', [], {}, {'type': []}, {'type': 'os.system', 'command': 'touch proof'},
        {'type': 'ImageClassifier', 'backbone': {1: 2, 'x': 3, 'type': {}}},
        {'type': 'ImageClassifier', 'se': 3, 'neck': [1], 'head': {'type': 'antigravity.x'}},
    ],
)  # fmt: skip
def test_anything_may_stand_in_a_strangers_config(hostile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert keys(model(), hostile)
    assert not list(tmp_path.iterdir())
