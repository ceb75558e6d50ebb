"""The preprocessing of the weights of other projects, from each source that states it."""

import json

import pytest
import timm
import torch
import torchvision

from senet_mm.converters.formats import CAFFE, MMPRETRAIN, TIMM, TIMM_LEGACY, TORCHVISION
from senet_mm.converters.images import find_classes, find_preprocessing
from senet_mm.converters.source import Source
from senet_mm.engine.weights.preprocessing import check_preprocessing

SOME_DIGEST = 'a' * 64
CONFIGS = {
    'seresnet50': 'seresnet50_8xb32_in1k',
    'seresnext50_32x4d': 'seresnext50-32x4d_8xb32_in1k',
    'seresnext101_32x4d': 'seresnext101-32x4d_8xb32_in1k',
    'senet154': 'senet154_8xb32_in1k',
}


def find(form, src='net.pth', digest=SOME_DIGEST, config='seresnet50_8xb32_in1k', **stated):
    return find_preprocessing(form, Source(src), digest, config, stated)


def of_timm(cfg):
    """What timm's transform of a ``pretrained_cfg`` does, as ours."""
    size = cfg.input_size[1]
    return dict(
        mean=[round(255 * value, 6) for value in cfg.mean],
        std=[round(255 * value, 6) for value in cfg.std],
        channel_order='RGB', resize=int(size / cfg.crop_pct), edge='short', backend='pillow',
        interpolation=cfg.interpolation, crop=size, input_size=list(cfg.input_size),
    )  # fmt: skip


@pytest.mark.parametrize('name', CONFIGS)
def test_timm_by_the_name_of_the_network(name):
    """All weights of a network that timm has agree, or its default is taken."""
    expected = of_timm(timm.get_pretrained_cfg(name))
    assert find(TIMM, config=CONFIGS[name]) == expected


@pytest.mark.parametrize('name', ['seresnet50', 'seresnext50_32x4d', 'senet154'])
def test_timms_legacy_networks(name):
    assert find(TIMM_LEGACY) == of_timm(timm.get_pretrained_cfg(f'legacy_{name}'))


HUB = dict(
    input_size=[3, 288, 288], interpolation='bilinear', crop_pct=0.9, crop_mode='center',
    mean=[0.5, 0.5, 0.5], std=[0.25, 0.5, 1],
)  # fmt: skip


def write_hub(folder, **changes):
    content = dict(architecture='seresnet50', pretrained_cfg=HUB | changes)
    (folder / 'config.json').write_text(json.dumps(content))
    return folder / 'model.safetensors'


def test_timm_by_the_config_of_the_hub(tmp_path):
    found = find(TIMM, write_hub(tmp_path))
    assert found == dict(
        mean=[127.5] * 3, std=[63.75, 127.5, 255], channel_order='RGB', resize=320, edge='short',
        backend='pillow', interpolation='bilinear', crop=288, input_size=[3, 288, 288],
    )  # fmt: skip
    (tmp_path / 'config.json').write_text('{"model_type": "of another package"}')
    assert find(TIMM, tmp_path / 'model.safetensors')['resize'] == 235


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(crop_mode='border'),
            "crop_mode='border', input_size=.*; allowed: center or squ",
        ),
        (dict(input_size=[3, 288, 224]), r'input_size=\[3, 288, 224\]; allowed: center or sq'),
        (dict(mean='x'), "is no config of a network of timm: mean='x'; allowed: a number per c"),
        (dict(crop_pct=0), 'is no config of a network of timm: crop_pct=0; allowed: a number abo'),
        (dict(crop_pct=1e-320), 'is no config of a network of timm'),
        (dict(input_size=[3]), 'is no config of a network of timm'),
        (dict(mean=[float('nan')] * 3), 'mean=.*nan.*; allowed: a number per channel'),
        (dict(interpolation='random'), "interpolation='random'; allowed: one of the backend"),
    ],
)
def test_a_config_of_the_hub_that_cannot_be_followed(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        find(TIMM, write_hub(tmp_path, **changes))


@pytest.mark.parametrize('data', [b'', b'\xff', b'5', b'{"pretrained_cfg": 5}', b'[' * 10**5])
def test_a_config_of_the_hub_that_is_none(tmp_path, data):
    (tmp_path / 'config.json').write_bytes(data)
    with pytest.raises(ValueError, match=f'^{tmp_path}/config.json is no config of a network of t'):
        find(TIMM, tmp_path / 'model.safetensors')


@pytest.mark.parametrize('name', ['resnet50', 'resnext50_32x4d', 'resnet101'])
def test_torchvision_by_the_hash_of_the_file(name):
    for weights in torchvision.models.get_model_weights(name):
        transforms = weights.transforms()
        digest = weights.url.rpartition('-')[2].removesuffix('.pth') + SOME_DIGEST
        found = find(TORCHVISION, digest=digest, config=f'{name}_8xb32_in1k')
        assert [found['resize'], found['crop']] == transforms.resize_size + transforms.crop_size
        assert found['mean'] == pytest.approx([255 * value for value in transforms.mean])
        assert (found['interpolation'], found['backend']) == ('bilinear', 'pillow')
    assert find(TORCHVISION)['resize'] == 256


@pytest.mark.parametrize('form', [CAFFE, TIMM, TIMM_LEGACY, TORCHVISION])
def test_what_is_stated_comes_first(form, tmp_path):
    write_hub(tmp_path)
    found = find(form, tmp_path / 'net.pth', resize=300, crop=280, interpolation='lanczos')
    assert [found[key] for key in ('resize', 'crop', 'interpolation')] == [300, 280, 'lanczos']
    assert check_preprocessing(found, '') == found
    for wrong in ({'interpolation': 'area', 'backend': 'pillow'}, {'resize': None, 'crop': 0}):
        with pytest.raises(ValueError, match=r'^--preprocessing: '):
            find(form, **wrong)
    with pytest.raises(ValueError, match=r"^--preprocessing: preprocessing='size' is not known"):
        find(form, size=300)


def test_mmpretrain_without_a_config(tmp_path):
    """Its recipes of SE networks resize by Pillow, those of plain ResNets by OpenCV."""
    torch.save({'state_dict': {}}, tmp_path / 'net.pth')
    for config, backend in (
        ('seresnet50_8xb32-140e_in1k', 'pillow'),
        ('resnet50_8xb32_in1k', 'cv2'),
        ('resnext50-32x4d_8xb128-100e_in1k', 'pillow'),
    ):
        found = find(MMPRETRAIN, tmp_path / 'net.pth', config=config)
        assert (found['backend'], found['resize'], found['crop']) == (backend, 256, 224)


@pytest.mark.parametrize(
    'meta', [dict(dataset_meta=dict(classes=['b', 'a'])), dict(CLASSES=('b', 'a')), {}]
)
def test_names_of_classes_in_the_file(meta, tmp_path):
    torch.save(dict(state_dict={}, meta=meta), tmp_path / 'x.pth')
    assert find_classes(Source(tmp_path / 'x.pth')) == (('b', 'a') if meta else None)
