"""Images as they are stored: one, three or four channels, 8 or 16 bits a sample."""

import io

import cv2
import numpy as np
import pytest
import skimage.data
import skimage.io
import tifffile
import torch
from PIL import Image

from senet_mm.datasets import LoadImage
from senet_mm.datasets.images.batch_augmentation import augment_batch
from senet_mm.datasets.images.colours import to_visible
from senet_mm.datasets.images.decoding import decode
from senet_mm.datasets.images.resizing import resize_channels
from senet_mm.registry import TRANSFORMS

RNG = np.random.default_rng(0)
SHAPES = {1: (72, 96), 3: (72, 96, 3), 4: (72, 96, 4)}
# RGB, or RGB and alpha, 16 bits.
IMAGES = {n: RNG.integers(0, 2**16, shape).astype(np.uint16) for n, shape in SHAPES.items()}


def by_pillow(kind, **options):
    def write(array):
        file = io.BytesIO()
        Image.fromarray(array).save(file, kind, **options)
        return file.getvalue()

    return write


def by_cv2(suffix):
    def write(array):
        order = {2: ..., 3: (..., [2, 1, 0, *range(3, array.shape[-1])])}[array.ndim]
        return cv2.imencode(suffix, array[order], LOSSLESS)[1].tobytes()

    return write


def as_tiff(**options):
    def write(array):
        file = io.BytesIO()
        tifffile.imwrite(
            file, array, photometric='minisblack' if array.ndim == 2 else 'rgb', **options
        )
        return file.getvalue()

    return write


LOSSLESS = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
ASSOCIATED = dict(extrasamples=['assocalpha'])
# Kind, channels, bits -> how it is written.
FILES = {
    **{('png', n, b): by_cv2('.png') for n in SHAPES for b in (8, 16)},
    **{('tiff', n, b): as_tiff() for n in SHAPES for b in (8, 16)},
    **{('tiff, premultiplied', 4, b): as_tiff(**ASSOCIATED) for b in (8, 16)},
    **{('big-endian tiff', n, 16): as_tiff(byteorder='>') for n in (1, 3)},
    **{('jpeg 2000', n, 16): by_cv2('.jp2') for n in SHAPES},
    **{('portable map', 1, b): by_cv2('.pgm') for b in (8, 16)},
    **{('portable map', 3, b): by_cv2('.ppm') for b in (8, 16)},
    ('webp', 4, 8): by_pillow('webp', lossless=True, exact=True),
    ('bmp', 3, 8): by_pillow('bmp'),
    ('bmp', 1, 8): by_pillow('bmp'),
}  # fmt: skip
# To 8 bits Pillow rounds.
ROUNDED = {('portable map', 8)}


def make(kind, channels, bits):
    array = IMAGES[channels] if bits == 16 else (IMAGES[channels] >> 8).astype(np.uint8)
    return FILES[kind, channels, bits](array), array


@pytest.mark.parametrize(('kind', 'channels', 'bits'), FILES)
@pytest.mark.parametrize('wanted', [8, 16])
def test_unchanged(kind, channels, bits, wanted):
    """As NumPy has it: 16 bits divided by 257, or their upper 8."""
    data, array = make(kind, channels, bits)
    img = decode(data, 'unchanged', wanted)
    assert img.dtype == (np.uint8 if wanted == 8 else np.float32)
    expected = array.reshape(72, 96, channels).astype(np.float64)
    if bits == 16:
        expected = expected / 257 if wanted == 16 else expected // 256
    if channels > 1:
        expected = expected[..., [2, 1, 0, 3][:channels]]
    assert img.shape == expected.shape
    tolerance = 1 if (kind, wanted) in ROUNDED else 2e-5 * (wanted == 16)
    assert np.abs(img - expected).max() <= tolerance


@pytest.mark.parametrize(('kind', 'channels', 'bits'), FILES)
@pytest.mark.parametrize('color_type', ['color', 'grayscale'])
def test_sixteen_bits_keep_what_eight_cut(kind, channels, bits, color_type):
    """Three channels or one: the same picture, to the rounding of eight bits."""
    data, array = make(kind, channels, bits)
    rough, fine = (decode(data, color_type, wanted).astype(float) for wanted in (8, 16))
    assert rough.shape == fine.shape == (72, 96, 3 if color_type == 'color' else 1)
    assert np.abs(rough - fine).max() <= 2.001
    if bits == 16:
        assert (fine % 1).any()
        if channels == 1:
            expected = array / 257
            assert np.abs(fine[..., 0] - expected).max() <= 2e-5


def test_a_real_picture_of_16_bits(tmp_path):
    """A photograph, written by scikit-image; all loaders give NumPy's value."""
    grey = skimage.data.camera()[::4, ::4]
    deep = (grey.astype(np.float64) ** 2 / 255**2 * 65535).round().astype(np.uint16)
    for suffix in ('png', 'tif'):
        path = tmp_path / f'camera.{suffix}'
        skimage.io.imsave(path, deep, check_contrast=False)
        for color_type, shape in (('grayscale', 1), ('unchanged', 1), ('color', 3)):
            img = LoadImage(color_type, bits=16)(dict(img_path=str(path)))['img']
            assert img.shape == (*deep.shape, shape)
            assert np.abs(img - deep[..., None] / 257).max() < 2e-5
        assert np.array_equal(
            LoadImage('grayscale')(dict(img_path=str(path)))['img'][..., 0], deep >> 8
        )


def test_eight_bits_are_the_same_numbers_in_sixteen():
    data, _ = make('png', 3, 8)
    assert np.array_equal(decode(data, bits=16), decode(data).astype(np.float32))


@pytest.mark.parametrize(
    ('write', 'channels'),
    [
        (by_pillow('jpeg'), 1),
        (lambda a: by_pillow('png')(np.stack([a, a], -1)), 4),  # grey and alpha
        (lambda a: _palette(a), 3),
        (lambda a: _palette(a, transparency=3), 4),
        (lambda a: _cmyk(a, 'tiff'), 3),
        (lambda a: _cmyk(a, 'jpeg'), 3),
        (by_pillow('gif'), 3),
        (lambda a: b'P5 96 72 1000\n' + (a.astype('>u2') * 3).tobytes(), 1),
    ],
    ids=['grey jpeg', 'grey, alpha', 'palette', 'palette, alpha', 'cmyk', 'cmyk jpeg', 'gif', 'P5'],
)  # fmt: skip
def test_channels_of_other_kinds(write, channels):
    img = decode(write((IMAGES[1] >> 8).astype(np.uint8)), 'unchanged')
    assert (img.dtype, img.shape) == (np.uint8, (72, 96, channels))


def _palette(array, **options):
    file = io.BytesIO()
    Image.fromarray(array).quantize(16).save(file, 'png', **options)
    return file.getvalue()


def _cmyk(array, kind):
    file = io.BytesIO()
    Image.fromarray(array).convert('CMYK').save(file, kind)
    return file.getvalue()


def test_a_file_of_other_channels_is_named(tmp_path):
    (tmp_path / 'a.png').write_bytes(make('png', 3, 8)[0])
    load = LoadImage('unchanged', channels=4)
    with pytest.raises(ValueError, match=r'a.png has 3 channels and the network takes 4; allowed'):
        load(dict(img_path=str(tmp_path / 'a.png')))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(color_type='gray'), "color_type='gray' is not known; allowed: color, grayscale, un"),
        (dict(bits=12), 'bits=12 is not known; allowed: 8, 16'),
        (dict(channels=1), "channels=1 with color_type='color'; allowed: 'unchanged'"),
        (dict(color_type='unchanged', channels=0), 'channels=0; allowed: whole numbers from 1'),
    ],
)  # fmt: skip
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        LoadImage(**arguments)


STEPS = [
    dict(type='AntialiasedResizedCrop', scale=24),
    dict(type='RandomAugment', mirror=1.0, on='cpu'),
    dict(type='RandomAugment', angle=10, on='cpu'),
    dict(type='PixelJitter', magnitude=5),
    dict(type='PixelJitter', magnitude=5, per='channel'),
    dict(type='SquareCutout', side=4, fill=7),
    dict(type='RandomCrop', crop_size=24, padding=2),
    dict(type='CenterCrop', crop_size=24),
    dict(type='ResizeEdge', scale=24),
    dict(type='ResizeEdge', scale=24, backend='pillow'),
    dict(type='ResizeEdge', scale=24, backend='pillow', interpolation='bicubic'),
    dict(type='RandomResizedCrop', scale=24),
    dict(type='RandomFlip', prob=0.5),
]  # fmt: skip


@pytest.mark.parametrize('step', STEPS, ids=lambda step: '-'.join(map(str, step.values())))
@pytest.mark.parametrize('channels', SHAPES)
def test_transforms_of_16_bits_do_what_those_of_8_do(step, channels):
    """To the rounding."""
    # Between its two passes Pillow's bicubic clips bytes, so none may be near 0 or 255.
    image = RNG.integers(64, 192, (40, 60, channels)).astype(np.uint8)
    out = {}
    for dtype in (np.uint8, np.float32):
        np.random.seed(0)
        img = TRANSFORMS.build(step)(dict(img=image.astype(dtype), img_shape=(40, 60)))['img']
        img = img if img.ndim == 3 else img[..., None]
        assert img.dtype == dtype
        assert img.shape[2] == channels
        out[dtype] = img.astype(float)
    assert np.abs(out[np.uint8] - out[np.float32]).max() <= 1.01


def test_bicubic_stays_within_0_and_255():
    image = (RNG.random((40, 60, 1)) > 0.5).astype(np.float32) * 255
    out = resize_channels(image, (80, 120), 'bicubic')
    assert (out.min(), out.max()) == (0, 255)


@pytest.mark.parametrize('per', ['pixel', 'channel', 'image'])
@pytest.mark.parametrize('channels', SHAPES)
def test_jitter_is_in_grey_levels_of_255(per, channels):
    """For 16 bits as well: whole numbers are added, and the worker and the device agree."""
    image = RNG.uniform(0, 255, (32, 32, channels)).astype(np.float32)
    batch = {}
    for on in ('cpu', 'device'):
        np.random.seed(0)
        augment = TRANSFORMS.build(
            dict(type='RandomAugment', mirror=0.0, jitter=20, per=per, on=on)
        )
        batch[on] = augment(dict(img=image.copy()))
    noise = batch['cpu']['img'] - image
    inside = (batch['cpu']['img'] > 0) & (batch['cpu']['img'] < 255)
    assert np.abs(noise[inside] - noise[inside].round()).max() < 1e-4
    assert 15 < np.abs(noise).max() <= 20.001 or per != 'pixel'
    augmentation, numbers = batch['device']['augment']
    numbers = type(numbers)(*(np.array([number]) for number in numbers))
    inputs = torch.from_numpy(image).permute(2, 0, 1)[None]
    out = augment_batch(inputs, numbers, augmentation)[0].permute(1, 2, 0)
    torch.testing.assert_close(out.numpy(), batch['cpu']['img'], atol=1e-4, rtol=0)


def test_the_device_does_not_round_16_bits():
    image = RNG.uniform(0, 255, (1, 2, 32, 32)).astype(np.float32)
    augment = TRANSFORMS.build(dict(type='RandomAugment', angle=10, on='device'))
    augmentation, numbers = augment(dict(img=image[0].transpose(1, 2, 0)))['augment']
    numbers = type(numbers)(*(np.array([number]) for number in numbers))
    out = augment_batch(torch.from_numpy(image), numbers, augmentation)
    assert (out % 1).any()
    assert not (augment_batch(torch.from_numpy(image).byte(), numbers, augmentation) % 1).any()


def test_four_channels_are_resized_each_by_itself():
    """Pillow would multiply three of them by the fourth."""
    image = RNG.integers(0, 256, (40, 60, 4)).astype(np.uint8)
    image[..., 3] = 0
    resize = TRANSFORMS.build(dict(type='ResizeEdge', scale=20, backend='pillow'))
    four = resize(dict(img=image))
    three = resize(dict(img=image[..., :3].copy()))
    assert np.array_equal(four['img'][..., :3], three['img'])
    assert not four['img'][..., 3].any()
    assert {key: four[key] for key in four if key != 'img'} == {
        k: three[k] for k in three if k != 'img'
    }
    assert np.array_equal(resize_channels(image[..., :3], (20, 30), 'bilinear'), three['img'])


@pytest.mark.parametrize(('channels', 'drawn'), [(1, (9, 7, 1)), (2, (9, 7, 1)), (4, (9, 7, 3))])
def test_pictures_of_floats_and_of_other_channels(channels, drawn):
    image = np.full((9, 7, channels), 300.0, np.float32)
    image[..., 0] = 9.6
    picture = to_visible(image, is_bgr=True)
    assert (picture.dtype, picture.shape) == (np.uint8, drawn)
    assert picture[0, 0].tolist() == ([10] if channels < 3 else [255, 255, 10])
