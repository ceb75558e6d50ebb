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


def test_mobile_networks_wait_for_the_plateau():
    """The learning rate falls when the loss that is measured has not fallen for ten epochs."""
    cfg = load('mobilenet/mobilenetv1_8xb32_in1k.py')
    assert 'CrossEntropy' in [metric.type for metric in cfg.val_evaluator]
    optimizer, [scheduler] = build(cfg)
    rates = []
    for epoch in range(40):
        scheduler.step()
        scheduler.step({'loss/cross_entropy': 2 - 0.1 * min(epoch, 9)})
        rates.append(round(optimizer.param_groups[0]['lr'], 9))
    assert rates == [0.1] * 20 + [0.01] * 11 + [0.001] * 9


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
        assert pipeline[1] == dict(type='ResizeEdge', scale=352, edge='short')
        assert pipeline[2].crop_size == 299
