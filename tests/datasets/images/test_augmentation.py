"""The documented augmentation, from the config that users run, on both of its paths.

Every range over many draws; the picture against Pillow's; the two paths against each other.
"""

import io

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from PIL import Image
from scipy import stats
from skimage import data

from senet_mm.datasets import PixelJitter, RandomAugment
from senet_mm.datasets.collate import collate
from senet_mm.datasets.images.augmentation import Augmentation, Numbers, augment, draw_numbers
from senet_mm.datasets.images.batch_augmentation import augment_batch
from senet_mm.registry import TRANSFORMS

from ...conftest import ROOT
from ..files import ROTATED_MAX, ROTATED_MEAN, save

PIPELINE = Config.fromfile(ROOT / 'configs/_base_/datasets/imagenet_bs32_senet.py').train_pipeline
CFG = {cfg['type']: cfg for cfg in PIPELINE}
DRAWS = 10_000
FILL = (104, 117, 123)
# So large that rounding to whole pixels does not matter; it takes no memory.
SQUARE = np.broadcast_to(np.uint8(0), (100_000, 100_000, 3))
NAMES = ('astronaut', 'coffee', 'rocket', 'chelsea')


@pytest.fixture(autouse=True)
def _seed():
    np.random.seed(0)


def uniform(values, low, high):
    """Whether values pass for uniform draws: Kolmogorov-Smirnov, and both ends are reached."""
    values = np.asarray(values)
    assert low <= values.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < values.max() <= high
    return stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-3


def on_cpu(images, numbers, augmentation):
    """The path of the workers, uint8 (N, H, W, C)."""
    return np.stack([augment(*pair, augmentation) for pair in zip(images, numbers, strict=True)])


def on_device(images, numbers, augmentation):
    """The path of the device, uint8 (N, H, W, C)."""
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    arrays = Numbers(*map(np.array, zip(*numbers, strict=True)))
    out = augment_batch(batch, arrays, augmentation)
    assert out.dtype == torch.float32
    assert out.is_contiguous(memory_format=torch.channels_last)
    return out.permute(0, 2, 3, 1).byte().numpy()


PATHS = pytest.mark.parametrize('path', [on_cpu, on_device])


def get_photos(shape=(224, 224)):
    """BGR photographs (N, H, W, 3)."""
    return np.stack([cv2.resize(getattr(data, name)()[..., ::-1], shape[::-1]) for name in NAMES])


def test_order_of_the_transforms():
    assert [cfg['type'] for cfg in PIPELINE] == [
        'LoadImage', 'AntialiasedResizedCrop', 'RandomAugment', 'PackTensors',
    ]  # fmt: skip
    assert CFG['RandomAugment'] == dict(
        type='RandomAugment', mirror=0.5, angle=10, jitter=20, fill=FILL
    )


def test_crop_is_8_to_100_percent_of_aspect_3_4_to_4_3():
    crop = TRANSFORMS.build(CFG['AntialiasedResizedCrop'])
    # Of a square image a 4/3 crop covers 75 % at most, so larger areas are rejected more often:
    # the area is uniform below that, and the aspect log-uniform for small areas.
    params = np.array([crop.rand_crop_params(SQUARE) for _ in range(DRAWS)], float) / 100_000
    height, width = params[:, 2], params[:, 3]
    area, aspect = height * width, width / height
    small = area < 0.75
    assert uniform(area[small], 0.08 - 1e-4, 0.75)
    assert uniform(np.log(aspect[small]), np.log(3 / 4) - 1e-4, np.log(4 / 3) + 1e-4)
    assert 0.98 < area.max() <= 1
    for offset, size in ((0, 2), (1, 3)):
        free = 1 - params[:, size]
        keep = free > 0.01
        assert uniform(params[keep, offset] / free[keep], 0, 1)
    out = crop(dict(img=np.zeros((300, 400, 3), np.uint8)))
    assert out['img'].shape == (224, 224, 3)
    assert out['img_shape'] == (224, 224)


@PATHS
def test_angle_and_mirror_as_seen_in_the_pictures(path):
    """Slopes of a picture that is linear in its coordinates tell both."""
    rows, cols = np.mgrid[0:32, 0:32]
    image = np.stack([rows * 8, cols * 8, rows * 0], -1).astype(np.uint8)
    augmentation = Augmentation(10, 0, 'pixel', FILL)
    angles, mirrors = [], []
    for _ in range(DRAWS // 500):
        numbers = [draw_numbers(0.5, 10) for _ in range(500)]
        out = path([image] * 500, numbers, augmentation)[:, 8:24, 8:24].astype(float)
        down, right = (np.gradient(out, axis=axis).mean((1, 2)) / 8 for axis in (1, 2))
        # Rows of the source run along (cos, -sin) of the turned picture.
        seen = np.rad2deg(np.arctan2(-right[:, 0], down[:, 0]))
        assert np.abs(seen - [drawn.angle for drawn in numbers]).max() < 1.5
        angles += [drawn.angle for drawn in numbers]
        mirrors += (right[:, 1] < 0).tolist()
    assert uniform(angles, -10, 10)
    assert len(mirrors) == DRAWS
    assert stats.binomtest(sum(mirrors), DRAWS, 0.5).pvalue > 1e-3
    assert abs(np.corrcoef(angles, mirrors)[0, 1]) < 0.04


@PATHS
@pytest.mark.parametrize(('per', 'side'), [('pixel', 2), ('channel', 4), ('image', 4)])
def test_jitter_is_uniform_in_20(path, per, side):
    """Over images; within one, values are shared as they should."""
    image = np.full((side, side, 3), 100, np.uint8)
    numbers = [draw_numbers(0.5, 10) for _ in range(DRAWS)]
    out = path([image] * DRAWS, numbers, Augmentation(0, 20, per))
    noise = out.reshape(DRAWS, -1, 3).astype(int) - 100
    if per != 'pixel':
        assert (noise == noise[:, :1]).all()
    if per == 'image':
        assert (noise == noise[..., :1]).all()
    else:
        assert abs(np.corrcoef(noise[:, 0, 0], noise[:, 0, 2])[0, 1]) < 0.04
    for value in noise.reshape(DRAWS, -1).T:
        counts = np.bincount(value + 20, minlength=41)
        assert len(counts) == 41
        assert stats.chisquare(counts).pvalue > 1e-4


@PATHS
def test_jitter_is_independent_within_an_image_and_between_images(path):
    """As the authors did: neighbours and channels are uncorrelated, levels equally frequent."""
    image = np.full((224, 224, 3), 100, np.uint8)
    numbers = [draw_numbers(0.5, 10) for _ in range(4)]
    noise = path([image] * 4, numbers, Augmentation(0, 20)).astype(float) - 100
    pairs = (
        (noise[:, :, :-1], noise[:, :, 1:]), (noise[:, :-1], noise[:, 1:]),
        (noise[..., 0], noise[..., 1]), (noise[..., 0], noise[..., 2]), (noise[:2], noise[2:]),
    )  # fmt: skip
    for a, b in pairs:
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.01
    counts = np.bincount(noise.astype(int).ravel() + 20, minlength=41)
    assert stats.chisquare(counts).pvalue > 1e-3


@PATHS
def test_jitter_is_clipped(path):
    image = np.zeros((50, 50, 3), np.uint8)
    image[25:] = 255
    [out] = path([image], [draw_numbers(0.5, 10)], Augmentation(0, 20))
    assert out[:25].max() == 20
    assert out[25:].min() == 235
    assert 0.4 < (out[:25] == 0).mean() < 0.6


@pytest.mark.parametrize('shape', [(224, 224), (200, 300)])
@pytest.mark.parametrize(
    'augmentation',
    [Augmentation(), Augmentation(10, 0), Augmentation(10, 20, 'pixel', FILL)],
    ids=['mirror', 'rotation', 'all'],
)
def test_both_paths_give_the_same_picture(shape, augmentation):
    photos = get_photos(shape)
    numbers = [draw_numbers(0.5, 10) for _ in photos]
    a, b = (path(photos, numbers, augmentation).astype(int) for path in (on_cpu, on_device))
    difference = np.abs(a - b)
    assert difference.max() <= (ROTATED_MAX if augmentation.angle else 0)
    assert difference.mean() <= (ROTATED_MEAN if augmentation.angle else 0)
    assert difference.shape == photos.shape


def test_mixed_precision_does_not_reach_the_augmentation():
    photos, augmentation = get_photos(), Augmentation(10, 20, 'pixel', FILL)
    numbers = [draw_numbers(0.5, 10) for _ in photos]
    expected = on_device(photos, numbers, augmentation)
    with torch.autocast('cpu', torch.bfloat16):
        assert np.array_equal(on_device(photos, numbers, augmentation), expected)


@PATHS
@pytest.mark.parametrize('mirror', [False, True])
@pytest.mark.parametrize(('angle', 'limit'), [(0, 0.3), (7.3, 0.8), (-10, 0.8)])
def test_fidelity_to_pillow(path, mirror, angle, limit, tmp_path):
    """Mean absolute difference to decode, crop, antialiased resize, mirror, rotate by Pillow."""
    load, crop = (TRANSFORMS.build(cfg) for cfg in PIPELINE[:2])
    images, expected = [], []
    for name in NAMES:
        jpeg = save(Image.fromarray(getattr(data, name)()), 'JPEG', quality=90)
        (tmp_path / name).write_bytes(jpeg)
        results = load(dict(img_path=str(tmp_path / name)))
        state = np.random.get_state()
        top, left, height, width = crop.rand_crop_params(results['img'])
        np.random.set_state(state)
        images.append(crop(results)['img'])
        with Image.open(io.BytesIO(jpeg)) as image:
            image = image.crop((left, top, left + width, top + height))
        image = image.resize((224, 224), Image.Resampling.BILINEAR)
        if mirror:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        # Pillow turns the other way.
        image = image.rotate(-angle, Image.Resampling.BILINEAR, fillcolor=FILL[::-1])
        expected.append(np.asarray(image)[..., ::-1])
    numbers = [Numbers(angle, mirror, (0, 0))] * len(images)
    out = path(images, numbers, Augmentation(abs(angle), 0, 'pixel', FILL))
    difference = np.abs(out.astype(float) - expected).mean()
    assert difference < limit


def test_what_lies_outside_is_the_fill():
    image = np.zeros((64, 64, 3), np.uint8)
    numbers = [Numbers(8.0, False, (0, 0))]
    for path in (on_cpu, on_device):
        assert tuple(path([image], numbers, Augmentation(10, 0, 'pixel', FILL))[0, 0, 0]) == FILL


@pytest.mark.parametrize('on', ['cpu', 'device'])
def test_transform_keeps_to_its_path(on):
    image = get_photos()[0]
    augmentation = RandomAugment(angle=10, jitter=20, on=on)
    np.random.seed(5)
    results = augmentation(dict(img=image))
    np.random.seed(5)
    expected = augment(image, draw_numbers(0.5, 10), augmentation.augmentation)
    if on == 'device':
        assert np.array_equal(results['img'], image)
        recipe, numbers = results['augment']
        assert np.array_equal(augment(image, numbers, recipe), expected)
    else:
        assert results.keys() == {'img'}
        assert np.array_equal(results['img'], expected)
    assert f"on='{on}'" in repr(augmentation)


def test_collate_keeps_channels_last_and_takes_other_samples():
    transforms = [RandomAugment(angle=10, on='device'), TRANSFORMS.build(dict(type='PackTensors'))]
    samples = []
    for label, photo in enumerate(get_photos()):
        results = dict(img=photo, gt_label=label)
        for transform in transforms:
            results = transform(results)
        assert results['inputs'].shape == (3, 224, 224)
        samples.append(results)
    batch = collate(samples)
    assert batch['inputs'].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch['inputs'], torch.stack([sample['inputs'] for sample in samples]))
    assert batch['gt_label'].tolist() == [0, 1, 2, 3]
    assert len(set(batch['seed'])) == 4
    assert batch['augment'][1].angle.tolist() == [s['augment'][1].angle for s in samples]
    assert torch.equal(collate([torch.ones(2), torch.zeros(2)]), torch.tensor([[1.0, 1], [0, 0]]))


@pytest.mark.parametrize(
    'kwargs',
    [dict(jitter=64), dict(jitter=-1), dict(per='row'), dict(on='gpu'), dict(mirror=2),
     dict(angle=-1)],
)  # fmt: skip
def test_wrong_augmentation(kwargs):
    with pytest.raises(ValueError, match='allowed: '):
        RandomAugment(**kwargs)


def test_image_too_large_for_the_noise():
    with pytest.raises(ValueError, match='jitter of 12000000 values per image; allowed: up to'):
        augment(np.zeros((2000, 2000, 3), np.uint8), draw_numbers(0, 0), Augmentation(0, 20))


@pytest.mark.parametrize(('per', 'distinct'), [('pixel', None), ('channel', 3), ('image', 1)])
def test_plain_jitter_is_uniform_in_20(per, distinct):
    """``PixelJitter``, the plain transform."""
    jitter = PixelJitter(20, per)
    image = np.full((16, 16, 3), 100, np.uint8)
    noises = []
    for _ in range(200 if per == 'pixel' else 4000):
        noise = jitter(dict(img=image.copy()))['img'].astype(int) - 100
        if distinct:
            assert (noise == noise[:1, :1]).all()
            assert distinct == 3 or len(np.unique(noise)) == 1
        noises.append((noise if per == 'pixel' else noise[0, 0, :distinct]).ravel())
    counts = np.bincount(np.concatenate(noises) + 20, minlength=41)
    assert len(counts) == 41
    assert stats.chisquare(counts).pvalue > 1e-3


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
