"""Recipes of the CIFAR, mobile and Inception networks: those of the papers, epoch by epoch."""

import pytest
import torch
from mmengine import Config

from senet_mm.registry import PARAM_SCHEDULERS

from .conftest import ROOT

VERY_DEEP = (128, 164, {0: 0.01, 1: 0.1, 81: 0.1, 82: 0.01, 122: 0.01, 123: 1e-3}, 1e-4, False)
WIDE = (128, 200, {0: 0.1, 59: 0.1, 60: 0.02, 120: 4e-3, 160: 8e-4}, 5e-4, True)
RESNEXT = (128, 300, {149: 0.1, 150: 0.01, 225: 1e-3}, 5e-4, True)
RECIPES = {
    'resnet110_1xb128': VERY_DEEP,
    'preresnet110_1xb128': VERY_DEEP,
    'preresnet164_1xb128': VERY_DEEP,
    'wrn16-8_1xb128': WIDE,
    'resnext29-8x64d_1xb128': RESNEXT,
}
RECIPES = {
    f'cifar/{name}_{data}.py': recipe
    for name, recipe in RECIPES.items()
    for data in ('cifar10', 'cifar100')
}
RECIPES |= {
    'cifar/shakeshake26-2x96d_2xb64_cifar10.py': (
        128, 1800, {0: 0.2, 600: 0.15, 900: 0.1, 1200: 0.05}, 1e-4, True,
    ),
    'cifar/shakeeven29-2x4x64d_2xb16_cifar100.py': (
        32, 1800, {0: 0.025, 900: 0.0125}, 5e-4, True,
    ),
    'inception/inception-resnet-v2_8xb128-100e_in1k.py': (
        1024, 100, {0: 0.6, 30: 0.06, 99: 6e-4}, 1e-4, False,
    ),
    'mobilenet/mobilenetv1_8xb32_in1k.py': (256, 400, {0: 0.1}, 4e-5, False),
    'shufflenet/shufflenetv1-1x-g3_8xb32_in1k.py': (256, 400, {0: 0.1}, 4e-5, False),
    'vgg/vgg16_8xb128-100e_in1k.py': (1024, 100, {0: 0.6, 30: 0.06, 99: 6e-4}, 1e-4, False),
    'places365/seresnet152_8xb128-100e_places365.py': (
        1024, 100, {0: 0.6, 30: 0.06, 99: 6e-4}, 1e-4, False,
    ),
    'senet/senet154_64xb32-100e-320px_in1k.py': (
        2048, 100, {0: 1.0, 30: 0.1, 99: 1e-3}, 1e-4, False,
    ),
    'ablations/seresnet50_8xb32-300e_in1k.py': (256, 300, {0: 0.1}, 1e-4, False),
}  # fmt: skip


def load(name):
    return Config.fromfile(ROOT / 'configs' / name)


def build(cfg):
    """An optimizer with the learning rate of a config, and its schedulers by epoch."""
    optimizer = torch.optim.SGD(
        [torch.zeros(1, requires_grad=True)], cfg.optim_wrapper.optimizer.lr
    )
    scheduler = cfg.param_scheduler
    schedulers = []
    for item in scheduler if isinstance(scheduler, list) else [scheduler]:
        item.pop('convert_to_iter_based', None)
        schedulers.append(PARAM_SCHEDULERS.get(item.pop('type'))(optimizer, **item))
    return optimizer, schedulers


@pytest.mark.parametrize('name', RECIPES)
def test_recipe(name):
    batch, epochs, lr, weight_decay, nesterov = RECIPES[name]
    cfg = load(name)
    gpus = int(name.split('_')[1].split('xb')[0])
    assert gpus * cfg.train_dataloader.batch_size == batch == cfg.auto_scale_lr.base_batch_size
    assert cfg.train_cfg.max_epochs == epochs
    sgd = cfg.optim_wrapper.optimizer
    assert (sgd.momentum, sgd.weight_decay) == (0.9, weight_decay)
    assert sgd.get('nesterov', False) == nesterov
    optimizer, schedulers = build(cfg)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert {epoch: rates[epoch] for epoch in lr} == pytest.approx(lr)


@pytest.mark.parametrize(
    ('name', 'last'),
    [
        ('mobilenet/mobilenetv1_8xb32_in1k.py', 1e-5),
        ('ablations/resnet50_8xb32-300e_in1k.py', 1e-4),
    ],
)
def test_waits_for_the_plateau(name, last):
    """The learning rate falls when the loss that is measured has not fallen for ten epochs."""
    cfg = load(name)
    assert 'CrossEntropy' in [metric.type for metric in cfg.val_evaluator]
    optimizer, [scheduler] = build(cfg)
    rates = []
    for epoch in range(64):
        scheduler.step()
        scheduler.step({'loss/cross_entropy': 2 - 0.1 * min(epoch, 9)})
        rates.append(round(optimizer.param_groups[0]['lr'], 9))
    assert rates == [0.1] * 20 + [0.01] * 11 + [0.001] * 11 + [0.0001] * 11 + [last] * 11


ABLATIONS = {
    'r2': dict(layer=dict(ratio=2)),
    'r4': dict(layer=dict(ratio=4)),
    'r8': dict(layer=dict(ratio=8)),
    'r32': dict(layer=dict(ratio=32)),
    'max': dict(layer=dict(squeeze_cfg=dict(type='MaxSqueeze'))),
    'relu': dict(layer=dict(gate_cfg=dict(type='ReLU'))),
    'tanh': dict(layer=dict(gate_cfg=dict(type='Tanh'))),
    'stage2': dict(stages=(2,)),
    'stage3': dict(stages=(3,)),
    'stage4': dict(stages=(4,)),
    'pre': dict(position='pre'),
    'post': dict(position='post'),
    'identity': dict(position='identity'),
    'conv3x3': dict(position='conv3x3'),
    'nosqueeze': dict(layer=dict(squeeze_cfg=dict(type='NoSqueeze'))),
}


def test_ablations_differ_from_their_baseline_in_one_thing():
    """Tables 10 to 16: SE-ResNet-50 without biases in SE and with label smoothing (section 6)."""
    names = {path.name for path in (ROOT / 'configs/ablations').glob('seresnet50-*.py')}
    assert names == {f'seresnet50-{name}_8xb32-300e_in1k.py' for name in ABLATIONS}
    baseline = load('ablations/seresnet50_8xb32-300e_in1k.py')
    assert baseline.model.se.to_dict() == dict(layer=dict(type='SELayer', ratio=16, bias=False))
    assert baseline.model.head.label_smooth == 0.1
    for name, change in ABLATIONS.items():
        expected = baseline.copy()
        expected.merge_from_dict(dict(model=dict(se=change)))
        assert (
            load(f'ablations/seresnet50-{name}_8xb32-300e_in1k.py').to_dict() == expected.to_dict()
        )


def test_senet154_freezes_its_norms():
    cfg = load('senet/senet154_64xb32-100e_in1k.py')
    assert cfg.custom_hooks == [dict(type='FreezeNormHook', last_epochs=5)]
    assert (cfg.model.head.dropout, cfg.model.head.label_smooth) == (0.2, 0.1)


@pytest.mark.parametrize('name', [name for name in RECIPES if 'cifar100' in name])
def test_cifar100_everywhere(name):
    cfg = load(name)
    assert cfg.data_preprocessor.num_classes == cfg.model.head.num_classes == 100
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        assert (dataset.type, dataset.data_root) == ('CIFAR100', 'data/cifar100')


def test_inception_networks_see_299_pixels():
    """The centre of a short side of 352 in validation (paper, section 4.1)."""
    cfg = load('inception/inception-resnet-v2_8xb128-100e_in1k.py')
    assert cfg.train_dataloader.dataset.pipeline[1].scale == 299
    for split in ('val', 'test'):
        pipeline = cfg[f'{split}_dataloader'].dataset.pipeline
        assert (pipeline[1].type, pipeline[1].scale) == ('ResizeEdge', 352)
        assert pipeline[2].crop_size == 299
