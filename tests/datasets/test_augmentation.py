"""The documented augmentation, from the config that users run: every range, over many draws."""

import numpy as np
import pytest
from mmengine import Config
from scipy import stats

from senet_mm.datasets import PixelJitter
from senet_mm.registry import TRANSFORMS

from ..conftest import ROOT

PIPELINE = Config.fromfile(ROOT / 'configs/_base_/datasets/imagenet_bs32_senet.py').train_pipeline
CFG = {cfg['type']: cfg for cfg in PIPELINE}
DRAWS = 4000
# So large that rounding to whole pixels does not matter; it takes no memory.
SQUARE = np.broadcast_to(np.uint8(0), (100_000, 100_000, 3))


@pytest.fixture(autouse=True)
def _seed():
    np.random.seed(0)


def uniform(values, low, high):
    """Whether values pass for uniform draws: Kolmogorov-Smirnov, and both ends are reached."""
    values = np.asarray(values)
    assert low <= values.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < values.max() <= high
    return stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-3


def test_order_of_the_transforms():
    assert [cfg['type'] for cfg in PIPELINE] == [
        'LoadImageFromFile', 'RandomResizedCrop', 'RandomFlip', 'Rotate', 'PixelJitter',
        'PackInputs',
    ]  # fmt: skip


def test_crop_is_8_to_100_percent_of_aspect_3_4_to_4_3():
    crop = TRANSFORMS.build(CFG['RandomResizedCrop'])
    # Of a square image a 4/3 crop covers 75 % at most, so larger areas are rejected more often:
    # the area is uniform below that, and the aspect log-uniform for small areas.
    params = np.array([crop.rand_crop_params(SQUARE) for _ in range(DRAWS)], float) / 100_000
    height, width = params[:, 2], params[:, 3]
    area, aspect = height * width, width / height
    small = area < 0.75
    assert uniform(area[small], 0.08 - 1e-4, 0.75)
    assert uniform(np.log(aspect[small]), np.log(3 / 4) - 1e-4, np.log(4 / 3) + 1e-4)
    assert 0.98 < area.max() <= 1
    out = crop(dict(img=np.zeros((300, 400, 3), np.uint8)))['img']
    assert out.shape == (224, 224, 3)


def test_crop_position_is_uniform():
    crop = TRANSFORMS.build(CFG['RandomResizedCrop'])
    params = np.array([crop.rand_crop_params(SQUARE) for _ in range(DRAWS)], float)
    for offset, size in ((0, 2), (1, 3)):
        free = 100_000 - params[:, size]
        keep = free > 1000
        assert uniform(params[keep, offset] / free[keep], 0, 1)


def test_mirror_flips_half_of_the_images_horizontally():
    flip = TRANSFORMS.build(CFG['RandomFlip'])
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    flipped = 0
    for _ in range(DRAWS):
        out = flip(dict(img=image.copy()))['img']
        assert np.array_equal(out, image) or np.array_equal(out, image[:, ::-1])
        flipped += not np.array_equal(out, image)
    assert stats.binomtest(flipped, DRAWS, 0.5).pvalue > 1e-3


def test_rotation_is_uniform_in_10_degrees(monkeypatch):
    rotate = TRANSFORMS.build(CFG['Rotate'])
    angles = []
    monkeypatch.setattr(
        'mmcv.imrotate', lambda img, angle, **kwargs: angles.append((angle, kwargs)) or img
    )
    for _ in range(DRAWS):
        rotate(dict(img=np.zeros((2, 2, 3), np.uint8)))
    assert len(angles) == DRAWS
    assert uniform([angle for angle, _ in angles], -10, 10)
    assert {kwargs['interpolation'] for _, kwargs in angles} == {'bilinear'}


def test_rotation_turns_the_image_about_its_centre(monkeypatch):
    """Against bilinear interpolation written out; outside lies the mean, which is 0 for the net."""
    rotate = TRANSFORMS.build(CFG['Rotate'])
    monkeypatch.setattr(rotate, 'random_magnitude', lambda: 8.0)
    monkeypatch.setattr(rotate, 'random_negative', lambda value: value)
    rows, cols = np.mgrid[0:64, 0:64].astype(float)
    image = np.stack([2 * rows + cols, 3 * cols, rows + 60], axis=-1)
    out = rotate(dict(img=image.astype(np.uint8)))['img'].astype(float)
    angle, centre = np.deg2rad(8), 63 / 2
    y, x = rows - centre, cols - centre
    source_x = np.cos(angle) * x + np.sin(angle) * y + centre
    source_y = -np.sin(angle) * x + np.cos(angle) * y + centre
    inside = (source_x >= 0) & (source_x <= 63) & (source_y >= 0) & (source_y <= 63)
    # The image is linear in its coordinates, so that its interpolation is exact.
    expected = np.stack([2 * source_y + source_x, 3 * source_x, source_y + 60], axis=-1)
    assert np.abs(out - expected)[inside].max() < 1.6
    assert tuple(out[0, 0]) == (104, 117, 123)


@pytest.mark.parametrize(('per', 'distinct'), [('pixel', None), ('channel', 3), ('image', 1)])
def test_jitter_is_uniform_in_20(per, distinct):
    jitter = TRANSFORMS.build({**CFG['PixelJitter'], 'per': per})
    image = np.full((16, 16, 3), 100, np.uint8)
    noises = []
    for _ in range(200 if per == 'pixel' else DRAWS):
        noise = jitter(dict(img=image.copy()))['img'].astype(int) - 100
        if distinct:
            assert (noise == noise[:1, :1]).all()
            assert distinct == 3 or len(np.unique(noise)) == 1
        noises.append(noise if per == 'pixel' else noise[0, 0, :distinct])
    noises = np.concatenate([noise.ravel() for noise in noises])
    counts = np.bincount(noises + 20, minlength=41)
    assert len(counts) == 41
    assert stats.chisquare(counts).pvalue > 1e-3


def test_jitter_is_independent_by_default():
    """As the authors did: neighbours and channels are uncorrelated."""
    assert CFG['PixelJitter'] == dict(type='PixelJitter', magnitude=20, per='pixel')
    image = np.full((200, 200, 3), 100, np.uint8)
    noise = PixelJitter()(dict(img=image))['img'].astype(float) - 100
    pairs = (
        (noise[:, :-1], noise[:, 1:]), (noise[:-1], noise[1:]), (noise[..., 0], noise[..., 2])
    )  # fmt: skip
    for a, b in pairs:
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.02


def test_jitter_is_clipped():
    image = np.zeros((50, 50, 3), np.uint8)
    image[25:] = 255
    out = PixelJitter()(dict(img=image))['img']
    assert out.dtype == np.uint8
    assert out[:25].max() == 20
    assert out[25:].min() == 235


@pytest.mark.parametrize('kwargs', [dict(magnitude=300), dict(magnitude=-1), dict(per='row')])
def test_wrong_jitter(kwargs):
    with pytest.raises(ValueError, match='is not known; allowed'):
        PixelJitter(**kwargs)


def test_validation_crops_224_from_a_short_side_of_256():
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/imagenet_bs32_senet.py')
    _, *middle, _ = cfg.test_pipeline
    rows, cols = np.mgrid[0:512, 0:768]
    results = dict(img=np.stack([rows / 2, cols / 3, rows * 0], -1).astype(np.uint8))
    for transform in middle:
        results = TRANSFORMS.build(transform)(results)
    img = results['img'].astype(float)
    assert img.shape == (224, 224, 3)
    # 512x768 becomes 256x384, of which rows 16..239 and columns 80..303 remain.
    assert img[0, 0, :2] == pytest.approx([16, 160 / 3], abs=1.5)
    assert img[-1, -1, :2] == pytest.approx([239, 2 * 303 / 3], abs=1.5)
