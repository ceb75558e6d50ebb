"""Recipes of other implementations, against what their files say."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.runner import Runner as MMRunner

from senet_mm.apis import get_config, get_model
from senet_mm.registry import MODELS, TRANSFORMS

# Of shicai's prototxt, the sum of lr_mult and decay_mult of each kind of parameter times 0.1, 1e-4.
RULES = {
    'seresnet50-shicai_8xb32_in1k': {
        'conv1.weight': (0.1, 1e-4),
        'bn1.weight': (0.1, 1e-4),
        'bn1.bias': (0.1, 1e-4),
        'se.fc1.weight': (0.1, 1e-4),
        'se.fc1.bias': (0.2, 0),
    },
    # tensorpack: `weight_decay_pattern = '.*/W'`.
    'seresnet50-tensorpack_8xb32_in1k': {
        'conv1.weight': (0.1, 1e-4),
        'bn1.weight': (0.1, 0),
        'bn1.bias': (0.1, 0),
        'se.fc1.weight': (0.1, 1e-4),
        'se.fc1.bias': (0.1, 0),
    },
    # MXNet: weights and gammas decay.
    'seresnext50-32x4d-bruinxiong_8xb32_in1k': {
        'conv1.weight': (0.1, 1e-4),
        'bn1.weight': (0.1, 1e-4),
        'bn1.bias': (0.1, 0),
        'se.fc1.weight': (0.1, 1e-4),
        'se.fc1.bias': (0.1, 0),
    },
}


@pytest.mark.parametrize('name', RULES)
def test_rate_and_decay_of_each_kind_of_parameter(name):
    cfg = get_config(name)
    runner = MMRunner.__new__(MMRunner)  # for its builder alone
    with torch.device('meta'):
        runner.model = MODELS.build(cfg.model)
    names = {parameter: name for name, parameter in runner.model.named_parameters()}
    del cfg.optim_wrapper['type'], cfg.optim_wrapper['when']
    cfg.optim_wrapper.optimizer.fused = False
    rules = {
        names[parameter]: (group['lr'], group['weight_decay'])
        for group in runner.build_optim_wrapper(cfg.optim_wrapper).optimizer.param_groups
        for parameter in group['params']
    }
    found = {key: rules[f'backbone.layer1.0.{key}'] for key in RULES[name]}
    assert found == RULES[name]
    assert rules['head.fc.bias'] == RULES[name]['se.fc1.bias']


def test_network_and_images_of_shicai():
    """His prototxt: eps, stride in the 3x3, pooling by Caffe's rule, mean and scale."""
    cfg = get_config('seresnet50-shicai_8xb32_in1k')
    with torch.device('meta'):
        network = MODELS.build(cfg.model).backbone
    assert {m.eps for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {1e-4}
    for stage in (network.layer2, network.layer3, network.layer4):
        assert (stage[0].conv1.stride, stage[0].conv2.stride) == ((1, 1), (2, 2))
    assert (network.maxpool.padding, network.maxpool.ceil_mode) == (0, True)
    preprocessor = MODELS.build(cfg.data_preprocessor)
    pixel = torch.full((1, 3, 1, 1), 200, dtype=torch.uint8)  # BGR, as the loader has it
    given = preprocessor(dict(inputs=pixel))['inputs'].flatten()
    expected = (200 - torch.tensor([103.94, 116.78, 123.68])) * 0.017
    assert torch.allclose(given, expected, rtol=1e-6)


def test_last_gains_of_tensorpack_are_zero():
    block = get_model('seresnet50-tensorpack_8xb32_in1k').backbone.layer4[0]
    assert not block.bn3.weight.any()
    assert (block.downsample[1].weight == 1).all()


LEVELS = {
    1: ['ResizeEdge', 'RandomCrop'],
    2: ['AntialiasedResizedCrop', 'ColorJitter'],
    3: ['Shear', 'Rotate', 'AntialiasedResizedCrop', 'ColorJitter'],
}


def run_pipeline(pipeline, img, path):
    """What a pipeline makes of an image file, as (3, H, W)."""
    cv2.imwrite(str(path), img)
    results = dict(img_path=str(path), gt_label=0)
    for step in pipeline:
        results = TRANSFORMS.build(step)(results)
    return results['inputs']


@pytest.mark.parametrize('level', LEVELS)
def test_one_word_is_the_level(level, tmp_path):
    """It exchanges the middle of the training pipeline, everywhere."""
    options = {'augmentation': level}
    cfg = get_config('seresnext50-32x4d-bruinxiong_8xb32_in1k', options)
    pipeline = cfg.train_dataloader.dataset.pipeline
    assert [step.type for step in pipeline] == [
        'LoadImage', *LEVELS[level], 'RandomAugment', 'PackTensors'
    ]  # fmt: skip
    img = np.zeros((300, 500, 3), np.uint8)
    img[:, :, 1] = 90  # one colour: a crop and a mirror leave it as it is
    np.random.seed(0)
    made = [run_pipeline(pipeline, img, tmp_path / 'a.png') for _ in range(8)]
    assert {tuple(image.shape) for image in made} == {(3, 224, 224)}
    colours = {tuple(image[:, 112, 112].tolist()) for image in made}
    assert (len(colours) == 1) == (level == 1)
    has_corners = any((image != image[:, 112:113, 112:113]).any() for image in made)
    assert has_corners == (level == 3)  # what lies outside of a turned image has another colour


def test_another_level_is_an_error():
    with pytest.raises(ValueError, match=r'augmentation=4 is not known; allowed: 1, 2, 3'):
        get_config('seresnext50-32x4d-bruinxiong_8xb32_in1k', {'augmentation': 4})


def test_nutszebra_standardises_each_image_by_itself():
    """(x - mean) / sqrt(variance + 10) over all pixels and channels; the test does no more."""
    cfg = get_config('sepreresnet164-nutszebra_1xb64_cifar10')
    backbone = MODELS.build(cfg.model.backbone)
    preprocessor = MODELS.build({'type': 'ClsDataPreprocessor', **cfg.data_preprocessor})
    seen = []
    backbone.stem.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    image = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    image[1] = 7  # nothing but noise would be left of it without the 10
    with torch.no_grad():
        backbone.forward_stem(preprocessor(dict(inputs=image))['inputs'])
    x = image.double()
    mean, variance = x.mean((1, 2, 3), keepdim=True), x.var((1, 2, 3), correction=0, keepdim=True)
    assert torch.allclose(seen[0].double(), (x - mean) / (variance + 10).sqrt(), atol=1e-5)
    assert [step.type for step in cfg.test_dataloader.dataset.pipeline] == ['PackInputs']


def test_nutszebra_cuts_a_whole_square_out_of_every_second_image():
    """Black, 16 x 16, anywhere; before the crop, images have 32 to 36 pixels."""
    cfg = get_config('sepreresnet164-nutszebra_1xb64_cifar10')
    pipeline = [TRANSFORMS.build(step) for step in cfg.train_dataloader.dataset.pipeline]
    holes, places = [], set()
    for _ in range(200):
        results = dict(img=np.full((32, 32, 3), 255, np.uint8), gt_label=0)
        for step in pipeline:
            results = step(results)
        assert results['inputs'].shape == (3, 32, 32)
        hole = (results['inputs'] == 0).all(0)
        holes.append(int(hole.sum()))
        if holes[-1]:
            places.add(tuple(hole.nonzero()[0].tolist()))
    assert set(holes) == {0, 256}
    assert 70 < holes.count(256) < 130
    assert len(places) > 40


def test_a_norm_of_the_images_is_for_every_layered_backbone():
    """And without one, nothing changes: no parameter, no module."""
    norm = dict(type='BN')
    kinds = {'SmallCNN': {}, 'MobileNetV1': {}, 'PreActResNet': dict(depth=110)}
    for kind, options in kinds.items():
        plain = MODELS.build(dict(type=kind, **options))
        normed = MODELS.build(dict(type=kind, **options, input_norm=norm))
        added = normed.state_dict().keys() - plain.state_dict().keys()
        assert {name.partition('.')[0] for name in added} == {'input_norm'}
        assert normed.input_norm.weight.shape == (3,)
        frozen = MODELS.build(dict(type=kind, **options, input_norm=norm, frozen_stages=0))
        assert not frozen.input_norm.weight.requires_grad
