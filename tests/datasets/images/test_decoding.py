"""What becomes of each kind of file, by its first meeting with the decoder."""

import numpy as np
import pytest

from senet_mm.datasets import DamagedImageError, LoadImage
from senet_mm.datasets.images.decoding import decode, decode_by_pillow, decode_strictly

from ..files import DAMAGED, GOOD, PHOTO

# Mean absolute difference to the photograph; others are as good as the JPEG of quality 95.
LOSSY = {'palette': 8, 'gif': 8}
REASONS = {
    'empty': 'the file is empty',
    'html': 'not an image; it begins with',
    'zeros': 'not an image; it begins with',
    'half a webp': 'cannot be decoded',
    'noise in a png': 'cannot be decoded',
}


@pytest.mark.parametrize('name', GOOD)
def test_what_an_image_becomes(name):
    """uint8 BGR, not turned, whatever the file's name says."""
    img = decode(GOOD[name])
    assert img.dtype == np.uint8
    expected = PHOTO[..., ::-1].astype(float)
    if 'of 16 bits' in name and 'grey' in name:
        expected = expected[..., [1, 1, 1]]
    elif name == 'grey':
        expected = (expected @ [0.114, 0.587, 0.299])[..., None].repeat(3, 2)
    assert img.shape == expected.shape
    assert np.abs(img - expected).mean() < LOSSY.get(name, 3.5)
    assert np.array_equal(decode_strictly(GOOD[name]), img)


@pytest.mark.parametrize('name', DAMAGED)
def test_what_is_damaged_and_why(name, tmp_path):
    path = tmp_path / 'image.JPEG'
    path.write_bytes(DAMAGED[name])
    with pytest.raises(DamagedImageError) as error:
        LoadImage()(dict(img_path=str(path)))
    reason = REASONS.get(name, 'the file is cut off')
    assert str(error.value).startswith(f'{path}: {reason}')
    assert '\n' not in str(error.value)
    with pytest.raises(ValueError, match=reason):
        decode_strictly(DAMAGED[name])


@pytest.mark.parametrize('name', ['jpeg', 'progressive', 'grey', 'png', 'alpha', 'turned by EXIF'])
def test_both_decoders_agree(name):
    assert np.abs(decode(GOOD[name]).astype(int) - decode_by_pillow(GOOD[name])).max() <= 1


def test_strict_decoding_sees_what_the_fast_one_does_not():
    jpeg = bytearray(GOOD['jpeg'])
    jpeg[len(jpeg) // 2 : len(jpeg) // 2 + 40] = b'\xff\xd0' * 20
    assert decode(bytes(jpeg)).shape == PHOTO.shape
    with pytest.raises(ValueError, match='the decoder says: '):
        decode_strictly(bytes(jpeg))


def test_missing_file(tmp_path):
    path = tmp_path / 'image.JPEG'
    with pytest.raises(DamagedImageError, match=f'{path}: cannot be read .No such file'):
        LoadImage()(dict(img_path=str(path)))


def test_loaded_keys(tmp_path):
    path = tmp_path / 'image.JPEG'
    path.write_bytes(GOOD['png'])
    results = LoadImage()(dict(img_path=str(path)))
    assert results.keys() == {'img_path', 'img', 'img_shape', 'ori_shape'}
    assert results['img_shape'] == results['ori_shape'] == PHOTO.shape[:2]
    assert np.array_equal(results['img'], PHOTO[..., ::-1])
