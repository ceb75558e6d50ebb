"""Lighting noise: one colour per image along ImageNet's components, and no wrap-around."""

import numpy as np
import pytest
from mmpretrain.datasets.transforms import Lighting

from senet_mm.datasets import PcaLighting
from senet_mm.datasets.transforms.pca_lighting import EIGENVALUES, EIGENVECTORS


def test_components_are_orthonormal():
    vectors = np.array(EIGENVECTORS)
    assert np.allclose(vectors.T @ vectors, np.eye(3), atol=1e-3)


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_adds_one_colour_of_the_stated_spread(dtype):
    """Over many draws the noise of each channel has the standard deviation of its components."""
    lighting = PcaLighting(0.1)
    np.random.seed(0)
    img = np.full((2, 3, 3), 128, dtype)
    made = [lighting(dict(img=img))['img'] for _ in range(4000)]
    assert all((one == one[0, 0]).all() for one in made)
    assert made[0].dtype == dtype
    spread = np.std([one[0, 0].astype(float) for one in made], axis=0)
    expected = 0.1 * np.linalg.norm(np.array(EIGENVECTORS) * EIGENVALUES, axis=1)
    assert spread == pytest.approx(expected, rel=0.05)
    assert (img == 128).all()


def test_white_stays_light():
    """mmpretrain's own transform makes it black, with the same numbers."""
    img = np.full((1, 1, 3), 255, np.uint8)
    theirs = Lighting(EIGENVALUES, EIGENVECTORS, alphastd=0.1)
    darkest = {}
    for name, lighting in {'theirs': theirs, 'ours': PcaLighting(0.1)}.items():
        np.random.seed(0)
        darkest[name] = min(lighting(dict(img=img))['img'].min() for _ in range(50))
    assert darkest['theirs'] < 10
    assert darkest['ours'] > 230


def test_grey_images_are_refused():
    with pytest.raises(ValueError, match='an image of 1 channel'):
        PcaLighting()(dict(img=np.zeros((4, 4), np.uint8)))
