"""Every config is a test: it builds, costs what the golden file says, feeds itself and learns."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.runner import Runner as MMRunner

from senet_mm.config.auto import Size, settle
from senet_mm.config.keys import check_keys
from senet_mm.config.names import DOWNSTREAM
from senet_mm.datasets.collate import collate
from senet_mm.registry import DATASETS, MODELS, PARAM_SCHEDULERS, TRANSFORMS
from senet_mm.study.heads import score_lines
from senet_mm.utils.complexity import get_complexity

from .conftest import ROOT
from .test_config_keys import run

LEAVES = sorted(str(path.relative_to(ROOT / 'configs')) for path in ROOT.glob('configs/[!_]*/*.py'))
CONFIGS = [name for name in LEAVES if name.partition('/')[0] not in DOWNSTREAM]
GOLDEN = ROOT / 'tests/golden/complexity.json'
SCORES = score_lines()


# Their epochs are few, or follow from the data.
WARM_UP_BY_ITERATION = ('finetune/', 'scenes/')
# Tested at another size than trained at.
TRAINED_AT = {'senet/senet154_64xb32-100e-test320_in1k.py': dict(train=224)}


def load(name):
    """A config; one that follows from its data set for 1,000 classes of 30 images."""
    cfg = Config.fromfile(ROOT / 'configs' / name)
    settle(cfg, Size(classes=1000, images=30_000))
    return cfg


@pytest.fixture(scope='session')
def golden(request):
    """Golden counts by config; --update-golden writes them anew."""
    counts = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    yield counts
    if request.config.getoption('--update-golden'):
        lines = [f'{json.dumps(name)}: {json.dumps(counts[name])}' for name in CONFIGS]
        GOLDEN.write_text('{\n' + ',\n'.join(lines) + '\n}\n')


@pytest.mark.slow
@pytest.mark.parametrize('name', CONFIGS)
def test_complexity(name, golden, request):
    cfg = load(name)
    complexity = get_complexity(MODELS.build(cfg.model), cfg.input_shape)
    counts = dict(
        params=complexity.params,
        macs=complexity.macs,
        flops_openmmlab=complexity.flops_openmmlab,
    )
    if request.config.getoption('--update-golden'):
        golden[name] = counts
    assert counts == golden[name]
    stages = complexity.stages
    assert sum(stage.params for stage in stages) == complexity.params
    assert sum(stage.macs for stage in stages) == complexity.macs


def test_golden_file_is_complete(golden):
    assert sorted(golden) == CONFIGS


PUBLISHED_PARAMS = {
    'seresnet/seresnet50_8xb32_in1k.py': 28_088_024,
    'seresnet/seresnet101_8xb32_in1k.py': 49_326_872,
    'seresnet/seresnet152_8xb32_in1k.py': 66_821_848,
    'seresnet/seresnext50-32x4d_8xb32_in1k.py': 27_559_896,
    'seresnet/seresnext101-32x4d_8xb32_in1k.py': 48_955_416,
    'senet/senet154_8xb32_in1k.py': 115_088_984,
    'resnet/resnet50_8xb32_in1k.py': 25_557_032,
    'cifar/resnet20_8xb16_cifar10.py': 269_722,
}


@pytest.mark.parametrize('name', PUBLISHED_PARAMS)
def test_golden_parameters_are_the_published_ones(name, golden):
    """The golden file itself, against the released networks, torchvision and He et al."""
    assert golden[name]['params'] == PUBLISHED_PARAMS[name]


def test_golden_flops_are_those_of_torchvision_and_of_the_released_network(golden):
    """Networks whose stride places agree with the released prototxts, or with torchvision's."""
    assert golden['resnet/resnet50_8xb32_in1k.py']['macs'] == 4_089_184_256
    assert golden['seresnet/seresnext50-32x4d_8xb32_in1k.py']['macs'] == 4_232_994_816
    assert golden['seresnet/seresnext101-32x4d_8xb32_in1k.py']['macs'] == 7_974_739_968
    assert golden['senet/senet154_8xb32_in1k.py']['macs'] == 20_688_363_520


def read_sample(cfg, split, tmp_path):
    """One sample through the pipeline of the config, from an image such as its data set has."""
    dataset = cfg[f'{split}_dataloader'].dataset
    if dataset.type == 'Digits':
        return DATASETS.build(dataset)[0]
    channels, height, width = cfg.input_shape
    image = np.random.randint(0, 255, (height + 40, width + 90, channels), np.uint8)
    results = dict(img=image[:height, :width], gt_label=3)
    if 'Load' in dataset.pipeline[0].type:
        cv2.imwrite(str(tmp_path / 'image.JPEG'), image)
        results = dict(img_path=str(tmp_path / 'image.JPEG'), gt_label=3)
    for transform in dataset.pipeline:
        results = TRANSFORMS.build(transform)(results)
    return results


@pytest.mark.slow
@pytest.mark.parametrize('name', CONFIGS)
def test_builds_feeds_itself_and_learns(name, tmp_path):
    cfg = load(name)
    check_keys(cfg)
    samples = {split: read_sample(cfg, split, tmp_path) for split in ('train', 'val', 'test')}
    sides = dict.fromkeys(samples, cfg.input_shape[1]) | TRAINED_AT.get(name, {})
    for split, sample in samples.items():
        assert sample['inputs'].dtype == torch.uint8
        assert sample['inputs'].shape == (cfg.input_shape[0], sides[split], sides[split])

    cfg.model.data_preprocessor = cfg.data_preprocessor
    model = MODELS.build(cfg.model)
    model.init_weights()
    runner = MMRunner.__new__(MMRunner)  # for its builders alone
    runner.model = model
    optim_wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    schedulers = (
        cfg.param_scheduler if isinstance(cfg.param_scheduler, list) else [cfg.param_scheduler]
    )
    for scheduler in schedulers:
        converts = scheduler.pop('convert_to_iter_based', False)
        built = PARAM_SCHEDULERS.get(scheduler.pop('type'))(optim_wrapper, **scheduler)
        assert built.by_epoch or converts or name.startswith(WARM_UP_BY_ITERATION)

    # 64 of 224 pixels, or 85 of 299, are enough for a step of an ImageNet network; VGG classifies
    # a map of one size.
    batch = collate([samples['train']] * 4)
    side = max(64, cfg.input_shape[-1] * 64 // 224) if cfg.model.backbone.type != 'VGG' else 224
    batch['inputs'] = batch['inputs'][..., :side, :side]
    *_, classifier = (module for module in model.modules() if isinstance(module, torch.nn.Linear))
    weight = classifier.weight.clone()
    losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
    loss, _ = model.parse_losses(losses)
    optim_wrapper.backward(loss)
    optim_wrapper.step()
    assert torch.isfinite(loss)
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert not torch.equal(classifier.weight, weight)
    scores = model.eval().val_step(batch)[0].pred_score
    assert scores.shape == (cfg.data_preprocessor.num_classes,)


@pytest.mark.parametrize('name', LEAVES)
def test_opens_with_command_hardware_and_score(name):
    command, hardware, score, *_ = lines = (ROOT / 'configs' / name).read_text().splitlines()
    assert command.startswith('# ')
    assert f' configs/{name}' in command
    assert hardware.startswith('# Hardware: ')
    assert score == SCORES[Path(name).stem]
    code = [line for line in lines if line and not line.lstrip().startswith('#')]
    assert len(code) <= 10


def test_every_score_of_the_results_is_of_a_config():
    assert sorted(SCORES) == sorted(Path(name).stem for name in LEAVES)


@pytest.mark.parametrize('name', CONFIGS)
def test_name_has_gpus_and_batch(name):
    """Those of the command and of the loader."""
    cfg = load(name)
    gpus, batch = map(int, re.search(r'_(\d+)xb(\d+)[-_]', name).groups())
    command, _, _ = (ROOT / 'configs' / name).read_text().partition('\n')
    nodes = re.match(r'# NNODES=(\d+) ', command)
    launched = re.search(r'\.py (\d+)$', command)
    assert gpus == int(nodes[1] if nodes else 1) * int(launched[1] if launched else 1)
    assert batch == cfg.train_dataloader.batch_size
    assert gpus * batch == cfg.auto_scale_lr.base_batch_size


def files_of(name):
    """A config and all files that it inherits, mmdet's included."""
    files = [name]
    for base in [] if '::' in name else run(name)[1]:
        files += files_of(base)
    return files


def chain(name):
    """The number of files from a config down to its deepest base, mmdet's included."""
    return 1 + max(map(chain, [] if '::' in name else run(name)[1]), default=0)


@pytest.mark.parametrize('name', LEAVES)
def test_chain_is_no_longer_than_three_files(name):
    assert chain(name) <= 3


BASES = sorted(
    str(path.relative_to(ROOT / 'configs'))
    for kind in ('models', 'datasets', 'schedules')
    for path in ROOT.glob(f'configs/_base_/{kind}/*.py')
)


@pytest.mark.parametrize('name', BASES)
def test_base_is_flat_and_has_its_batch_in_its_name(name):
    own, bases = run(name)
    assert bases == []
    if 'train_dataloader' in own:
        batch = own['train_dataloader']['batch_size']
        assert f'_bs{batch}' in name or batch == 'auto'
    if 'auto_scale_lr' in own:
        assert f'_bs{own["auto_scale_lr"]["base_batch_size"]}_' in name


def network(name):
    model = load(name).model
    return model.backbone.to_dict(), 'se' in model


@pytest.mark.parametrize('name', LEAVES)
def test_stands_on_bases_or_on_a_leaf_of_the_same_network(name):
    for base in run(name)[1]:
        if base in LEAVES:
            assert network(name) == network(base)


IMAGE = {'input_shape', 'data_preprocessor', 'train_pipeline', 'test_pipeline'}


@pytest.mark.parametrize('name', CONFIGS)
def test_one_file_has_all_of_an_image(name):
    """Crop, size, mean, standard deviation and order of the colours."""
    found = {file: IMAGE & set(run(file)[0]) for file in files_of(name)}
    [(file, keys)] = [item for item in found.items() if item[1]]
    assert file.startswith('_base_/datasets/')
    assert keys == IMAGE


@pytest.mark.parametrize(
    ('name', 'batch', 'epochs', 'lr'),
    [
        ('seresnet/seresnet50_8xb32_in1k.py', 256, 270, {0: 0.1, 124: 0.1, 125: 0.01, 269: 1e-4}),
        (
            'seresnet/seresnet50_8xb128-100e_in1k.py',
            1024,
            100,
            {0: 0.6, 29: 0.6, 30: 0.06, 99: 6e-4},
        ),
        ('seresnet/seresnet50_8xb32-140e_in1k.py', 256, 140, {39: 0.1, 40: 0.01, 139: 1e-4}),
        ('seresnet/seresnet101_8xb32-100e_in1k.py', 256, 100, {29: 0.1, 30: 0.01, 99: 1e-4}),
        ('cifar/seresnet20_8xb16_cifar10.py', 128, 164, {81: 0.1, 82: 0.01, 123: 1e-3}),
        (
            'cifar/seresnext29-8x64d-taki0112_1xb128_cifar10.py',
            128,
            100,
            {28: 0.1, 29: 0.01, 58: 0.01, 59: 1e-3, 88: 1e-3, 89: 1e-4},
        ),
        (
            'cifar/seresnet20-moskomule_1xb64_cifar10.py',
            64,
            200,
            {79: 0.1, 80: 0.01, 159: 0.01, 160: 1e-3, 199: 1e-3},
        ),
        ('densenet/densenet40-k12_1xb64_cifar10.py', 64, 300, {149: 0.1, 150: 0.01, 225: 1e-3}),
    ],
)
def test_recipes(name, batch, epochs, lr):
    """Batch, length and learning rate of every epoch are the published ones."""
    cfg = load(name)
    gpus = int(name.split('_')[1].split('xb')[0])
    assert gpus * cfg.train_dataloader.batch_size == batch == cfg.auto_scale_lr.base_batch_size
    assert cfg.train_cfg.max_epochs == epochs
    optimizer = torch.optim.SGD(
        [torch.zeros(1, requires_grad=True)], cfg.optim_wrapper.optimizer.lr
    )
    scheduler = cfg.param_scheduler
    scheduler = PARAM_SCHEDULERS.get(scheduler.pop('type'))(optimizer, **scheduler)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    assert {epoch: rates[epoch] for epoch in lr} == pytest.approx(lr)


def test_parameter_rules_of_the_released_recipe():
    """No decay for biases alone (hujie-frank/SENet#8): gains decay, all learn at one rate."""
    cfg = load('seresnet/seresnet50_8xb32_in1k.py')
    runner = MMRunner.__new__(MMRunner)
    runner.model = MODELS.build(cfg.model)
    names = {parameter: name for name, parameter in runner.model.named_parameters()}
    rules = {}
    for group in runner.build_optim_wrapper(cfg.optim_wrapper).optimizer.param_groups:
        for parameter in group['params']:
            rules[names[parameter]] = (group['lr'], group['weight_decay'])
    assert rules['backbone.layer1.0.conv1.weight'] == (0.1, 1e-4)
    assert rules['backbone.layer1.0.bn1.weight'] == (0.1, 1e-4)
    assert rules['backbone.layer1.0.bn1.bias'] == (0.1, 0)
    assert rules['backbone.layer1.0.se.fc1.weight'] == (0.1, 1e-4)
    assert rules['backbone.layer1.0.se.fc1.bias'] == (0.1, 0)
    assert rules['head.fc.bias'] == (0.1, 0)
