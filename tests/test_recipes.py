"""Recipes of the CIFAR, mobile and Inception networks: those of the papers, epoch by epoch."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config

from senet_mm.config.names import find_config, list_models
from senet_mm.registry import MODELS, PARAM_SCHEDULERS, TRANSFORMS
from senet_mm.study.results import load_tables

from .conftest import ROOT

VERY_DEEP = (128, 164, {0: 0.01, 1: 0.1, 81: 0.1, 82: 0.01, 122: 0.01, 123: 1e-3}, 1e-4, False)
WIDE = (128, 200, {0: 0.1, 59: 0.1, 60: 0.02, 120: 4e-3, 160: 8e-4}, 5e-4, True)
# Footnote 2 of the paper.
FIXED = {124: 0.1, 125: 0.01, 199: 0.01, 200: 1e-3, 249: 1e-3, 250: 1e-4, 269: 1e-4}
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
    'vgg/vgg16_8xb128-100e_in1k.py': (1024, 100, {0: 0.6, 30: 0.06, 99: 6e-4}, 5e-4, False),
    'places365/seresnet152_8xb128-100e_places365.py': (
        1024, 100, {0: 0.6, 30: 0.06, 99: 6e-4}, 1e-4, False,
    ),
    'senet/senet154_64xb32-100e-320px_in1k.py': (
        2048, 100, {0: 1.0, 30: 0.1, 99: 1e-3}, 1e-4, False,
    ),
    'se-bn-inception/bn-inception_8xb128-100e_in1k.py': (
        1024, 100, {0: 0.6, 30: 0.06, 99: 6e-4}, 2e-4, False,
    ),
    'se-bn-inception/se-bn-inception_8xb128-100e_in1k.py': (
        1024, 100, {0: 0.6, 30: 0.06, 99: 6e-4}, 2e-4, False,
    ),
    # What others trained with, see `configs/results.yml`.
    'cifar/sepreresnet164-nutszebra_1xb64_cifar10.py': (
        64, 250, {0: 0.01, 1: 0.1, 149: 0.1, 150: 0.01, 199: 0.01, 200: 1e-3}, 1e-4, False,
    ),
    'seresnet/seresnet50-shicai_8xb32_in1k.py': (
        256, 100, {0: 0.1, 33: 0.2 / 3, 66: 0.1 / 3, 99: 0}, 1e-4, False,
    ),
    'seresnet/seresnet50-tensorpack_8xb32_in1k.py': (
        256, 105, {29: 0.1, 30: 0.01, 60: 1e-3, 90: 1e-4, 99: 1e-4, 100: 1e-5}, 1e-4, True,
    ),
    'seresnet/seresnext50-32x4d-bruinxiong_8xb32_in1k.py': (
        256, 125, {29: 0.1, 30: 0.01, 90: 1e-4, 95: 1e-5, 110: 1e-6, 124: 1e-7}, 1e-4, True,
    ),
    'ablations/seresnet50_8xb32-300e_in1k.py': (256, 300, {0: 0.1}, 1e-4, False),
    'ablations/resnet50_8xb32-270e_in1k.py': (256, 270, FIXED, 1e-4, False),
    'ablations/seresnet50_8xb32-270e_in1k.py': (256, 270, FIXED, 1e-4, False),
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
    'name',
    [
        'mobilenet/mobilenetv1_8xb32_in1k.py',
        'shufflenet/seshufflenetv1-1x-g3_8xb32_in1k.py',
        'ablations/resnet50_8xb32-300e_in1k.py',
    ],
)
def test_waits_for_the_plateau(name):
    """The learning rate falls, three times, if the measured loss did not for ten epochs."""
    cfg = load(name)
    assert 'CrossEntropy' in [metric.type for metric in cfg.val_evaluator]
    optimizer, [scheduler] = build(cfg)
    rates = []
    for epoch in range(64):
        scheduler.step()
        scheduler.step({'loss/cross_entropy': 2 - 0.1 * min(epoch, 9)})
        rates.append(round(optimizer.param_groups[0]['lr'], 9))
    assert rates == [0.1] * 20 + [0.01] * 11 + [0.001] * 11 + [0.0001] * 22


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


SETTING = ('model', 'data_preprocessor', 'train_dataloader', 'val_dataloader', 'optim_wrapper')


@pytest.mark.parametrize('name', ['resnet50', 'seresnet50'])
def test_footnote_2_has_the_setting_of_the_ablations(name):
    """Section 6: its networks, images and label smoothing; the schedule alone is another."""
    fixed, plateau = (load(f'ablations/{name}_8xb32-{n}e_in1k.py') for n in (270, 300))
    assert {key: fixed[key] for key in SETTING} == {key: plateau[key] for key in SETTING}
    assert fixed.model.head.label_smooth == 0.1


@pytest.mark.parametrize('name', ['senet154_64xb32-100e', 'senet154-caffe_64xb32-100e'])
def test_senet154_has_the_recipe_of_the_paper(name):
    """18.68 / 4.47, of the released network too: batch 2048, lr 1.0 (paper, appendix)."""
    cfg = load(f'senet/{name}_in1k.py')
    command, *_ = (ROOT / f'configs/senet/{name}_in1k.py').read_text().splitlines()
    assert command.startswith('# NNODES=8 tools/dist_train.sh')
    assert command.endswith(' 8')
    assert 64 * cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == 2048
    assert cfg.optim_wrapper.optimizer.lr == 1.0
    assert cfg.model.backbone.stem.pool == 'ceil'
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


# fb.resnet.torch's figures (datasets/cifar10.lua, cifar100.lua).
CIFAR = {
    'cifar10': ([125.3, 123.0, 113.9], [63.0, 62.1, 66.7]),
    'cifar100': ([129.3, 124.1, 112.4], [68.2, 65.4, 70.4]),
}


# One has a network that standardises each image by itself, the other pads with a reflection.
OTHERS = 'nutszebra', 'moskomule'
GLOBAL = [
    path
    for path in sorted(ROOT.glob('configs/_base_/datasets/cifar*.py'))
    if not path.stem.endswith(OTHERS)
]


@pytest.mark.parametrize('path', GLOBAL)
def test_cifar_is_standardised_and_padded_as_in_the_sources(path):
    """They pad, and cut out, with zeros after standardising: here with the mean before."""
    mean, std = CIFAR[path.name.partition('_')[0]]
    cfg = load(path)
    assert (cfg.data_preprocessor.mean, cfg.data_preprocessor.std) == (mean, std)
    preprocessor = MODELS.build({'type': 'ClsDataPreprocessor', **cfg.data_preprocessor})
    pipeline = [TRANSFORMS.build(step) for step in cfg.train_dataloader.dataset.pipeline]
    added = []
    for _ in range(20):
        results = dict(img=np.full((32, 32, 3), 255, np.uint8), gt_label=0)
        for transform in pipeline:
            results = transform(results)
        batch = dict(inputs=[results['inputs']], data_samples=[results['data_samples']])
        is_added = (results['inputs'] < 255).all(0)
        added.append(preprocessor(batch)['inputs'][0][:, is_added])
    added = torch.cat(added, 1)
    assert added.numel() > 0
    assert added.abs().max() < 0.5 / min(std)


TABLES = load_tables()
ROWS = {
    ('table4', 6.37): 'preresnet110_1xb128_cifar10',
    ('table4', 5.21): 'sepreresnet110_1xb128_cifar10',
    ('table5', 26.88): 'preresnet110_1xb128_cifar100',
    ('table5', 23.85): 'sepreresnet110_1xb128_cifar100',
    ('recipes', 6.43): 'resnet110_1xb128_cifar10',
    ('footnote2', 23.21): 'resnet50_8xb32-270e_in1k',
    ('footnote2', 22.20): 'seresnet50_8xb32-270e_in1k',
    ('released', 18.68): 'senet154-caffe_64xb32-100e_in1k',
    ('table8', 18.68): 'senet154_64xb32-100e_in1k',
}


@pytest.mark.parametrize(('table', 'top1'), ROWS)
def test_scores_stand_beside_the_networks_that_have_them(table, top1):
    """In results.yml, and in the head of the config."""
    [row] = [row for row in TABLES[table]['rows'] if row.get('top1') == top1]
    assert row['config'] == ROWS[table, top1]
    score = Path(find_config(row['config'])).read_text().splitlines()[2]
    assert score.startswith(f'# Published: {top1:.2f} ')


@pytest.mark.parametrize('config', list_models())
def test_a_config_of_several_tables_has_one_score(config):
    scores = {
        (row.get('top1'), row.get('top5'), table['metric'])
        for table in TABLES.values()
        for row in table['rows']
        if row['config'] == config and table['metric'] != 'AP'
    }
    assert len(scores) == 1


@pytest.mark.parametrize('table', ['table4', 'table5'])
def test_resnet_110_and_164_of_the_paper_are_the_pre_activation_networks(table):
    """Those of arXiv:1603.05027, where ResNet-110 has 6.37; that of arXiv:1512.03385 has 6.43."""
    rows = [row for row in TABLES[table]['rows'] if row['model'].endswith(('110', '164'))]
    assert len(rows) == 4
    for row in rows:
        assert load(find_config(row['config'])).model.backbone.type == 'PreActResNet'


@pytest.mark.parametrize('config', list_models('*digits'))
def test_measured_scores_are_means_over_seeds(config):
    """The head of a config repeats docs/recalibration.md: two processors, ten seeds each."""
    score = Path(find_config(config)).read_text().splitlines()[2]
    assert score.endswith(', ten seeds')
    page = (ROOT / 'docs/recalibration.md').read_text()
    rows = page[page.index(f'digits/{config}.py') :].splitlines()[:2]
    assert ['AMD EPYC' in rows[0], 'Intel Xeon' in rows[1]] == [True, True]
    figures = [re.search(r'\d\d\.\d\d ± \d\.\d\d', row)[0] for row in rows]
    assert re.findall(r'\d\d\.\d\d \+- \d\.\d\d', score) == [
        figure.replace('±', '+-') for figure in figures
    ]
