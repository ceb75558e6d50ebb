"""Long images are bounded; all others are mmpretrain's."""

import numpy as np
import pytest
from mmpretrain.datasets.transforms import CenterCrop
from mmpretrain.datasets.transforms import ResizeEdge as Upstream

from senet_mm.datasets import ResizeEdge
from senet_mm.registry import TRANSFORMS


def make(*shape):
    """A smooth image: a shift of half a pixel changes little."""
    height, width = shape
    waves = np.sin(np.arange(height) / 9)[:, None, None] + np.cos(np.arange(width) / 7)[:, None]
    return np.uint8((waves + np.array([2, 2.2, 2.4])) * 50)


def test_configs_get_ours():
    assert type(TRANSFORMS.build(dict(type='ResizeEdge', scale=8))) is ResizeEdge


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('edge', ['short', 'long', 'width', 'height'])
@pytest.mark.parametrize('shape', [(300, 400), (333, 51), (20, 320), (320, 20)])
def test_up_to_16_to_1_nothing_changes(backend, edge, shape):
    args = dict(scale=64, edge=edge, backend=backend)
    ours, theirs = (kind(**args)(dict(img=make(*shape))) for kind in (ResizeEdge, Upstream))
    assert np.array_equal(ours['img'], theirs['img'])
    assert ours.keys() == theirs.keys()
    assert ours['scale_factor'] == theirs['scale_factor']


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('shape', [(1700, 100), (101, 4567)])
def test_a_centre_crop_of_a_long_image_is_the_same(backend, shape):
    resized = [kind(64, backend=backend)(dict(img=make(*shape))) for kind in (ResizeEdge, Upstream)]
    assert max(resized[0]['img'].shape) < max(resized[1]['img'].shape)
    ours, theirs = (CenterCrop(56)(results)['img'].astype(int) for results in resized)
    assert ours.shape == theirs.shape == (56, 56, 3)
    assert np.abs(ours - theirs).max() <= 8  # of a contrast of 200


@pytest.mark.parametrize('edge', ['short', 'long', 'width', 'height'])
@pytest.mark.parametrize('shape', [(10_000, 1), (1, 10_000)])
def test_a_line_takes_no_memory(edge, shape):
    img = ResizeEdge(256, edge)(dict(img=make(*shape)))['img']
    assert min(img.shape[:2]) >= 16
    assert max(img.shape[:2]) <= 16 * 256
