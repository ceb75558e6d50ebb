"""Images of one channel go through every transform of ours, from either loader."""

import cv2
import numpy as np
import pytest
import torch

from senet_mm.datasets.images.batch_augmentation import augment_batch
from senet_mm.registry import TRANSFORMS

TRAINING = [
    dict(type='AntialiasedResizedCrop', scale=24),
    dict(type='RandomAugment', mirror=1.0, on='cpu'),
    dict(type='RandomAugment', angle=10, jitter=20, fill=(104,), on='cpu'),
    dict(type='PixelJitter', magnitude=5),
    dict(type='PixelJitter', magnitude=5, per='channel'),
    dict(type='SquareCutout', side=4, fill=7),
    dict(type='RandomCrop', crop_size=24, padding=2),
    dict(type='ResizeEdge', scale=24),
    dict(type='ResizeEdge', scale=24, backend='pillow'),
]
LOADERS = {
    'ours': dict(type='LoadImage', color_type='grayscale'),
    'mmcv': dict(type='LoadImageFromFile', color_type='grayscale'),
}


@pytest.fixture
def file(tmp_path):
    gradient = np.arange(32 * 32, dtype=np.uint32).reshape(32, 32) // 4
    cv2.imwrite(str(tmp_path / 'image.png'), gradient.astype(np.uint8))
    return str(tmp_path / 'image.png')


@pytest.mark.parametrize('loader', LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize('transform', TRAINING, ids=lambda transform: transform['type'])
@pytest.mark.parametrize('pack', ['PackInputs', 'PackTensors'])
def test_one_channel(file, loader, transform, pack):
    results = dict(img_path=file, gt_label=0)
    for stage in (loader, transform, dict(type=pack)):
        results = TRANSFORMS.build(stage)(results)
    assert results['inputs'].shape[0] == 1
    assert results['inputs'].dtype == torch.uint8


def test_grey_levels_are_those_of_the_file(file):
    img = TRANSFORMS.build(LOADERS['ours'])(dict(img_path=file))['img']
    assert img.shape == (32, 32, 1)
    assert np.array_equal(img[..., 0], cv2.imread(file, cv2.IMREAD_GRAYSCALE))


def test_the_device_rotates_as_the_worker(file):
    """With the same numbers; one grey level for the rounding of the interpolation."""
    options = dict(type='RandomAugment', angle=10, jitter=20, fill=(104,))
    batch = {}
    for on in ('cpu', 'device'):
        np.random.seed(0)
        results = TRANSFORMS.build(LOADERS['ours'])(dict(img_path=file))
        batch[on] = TRANSFORMS.build(dict(**options, on=on))(results)
    augmentation, numbers = batch['device']['augment']
    image = torch.from_numpy(batch['device']['img']).permute(2, 0, 1)[None]
    numbers = type(numbers)(*(np.array([number]) for number in numbers))
    out = augment_batch(image, numbers, augmentation)[0, 0].numpy()
    assert np.abs(out - batch['cpu']['img'][..., 0]).max() <= 1


def test_fill_of_another_number_of_channels(file):
    results = TRANSFORMS.build(LOADERS['ours'])(dict(img_path=file))
    with pytest.raises(ValueError, match=r'fill=\(1, 2, 3\) for images of 1 channel'):
        TRANSFORMS.build(dict(type='RandomAugment', angle=10, fill=(1, 2, 3)))(results)
    augment = TRANSFORMS.build(dict(type='RandomAugment', angle=10, on='device'))
    assert augment(results)['augment'][0].fill == (115,)


def test_unknown_color_type():
    with pytest.raises(ValueError, match="color_type='gray' is not known; allowed: color, gray"):
        TRANSFORMS.build(dict(type='LoadImage', color_type='gray'))
