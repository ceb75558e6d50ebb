"""Cutout from the configs that users run: where it cuts, how often, and with what."""

import numpy as np
import pytest
import torch
from mmengine import Config
from scipy import stats

from senet_mm.datasets import SquareCutout
from senet_mm.registry import MODELS, TRANSFORMS

from ..conftest import ROOT

DRAWS = 4000


@pytest.fixture(autouse=True)
def _seed():
    np.random.seed(0)


def masks(side, shape=(32, 32), draws=DRAWS):
    """Where the square was cut out, (draws, H, W)."""
    cutout, image = SquareCutout(side, 255), np.zeros((*shape, 3), np.uint8)
    out = np.stack([cutout(dict(img=image))['img'] for _ in range(draws)])
    assert image.max() == 0
    assert set(np.unique(out)) == {0, 255}
    assert (out[..., 0] == out[..., 2]).all()
    return out[..., 0] == 255


@pytest.mark.parametrize('side', [16, 8])
def test_every_pixel_is_the_centre_equally_often(side):
    cut = masks(side)
    # The square spans centre - side / 2 to centre + side / 2 - 1, cut off at the borders.
    for axis in (1, 2):
        lines = cut.any(3 - axis)
        first, length = lines.argmax(1), lines.sum(1)
        centre = np.where(first > 0, first + side // 2, length - side // 2)
        assert (length == np.minimum(centre + side // 2, 32) - first).all()
        counts = np.bincount(centre, minlength=32)
        assert stats.chisquare(counts).pvalue > 1e-3
    rectangle = cut.any(2)[:, :, None] & cut.any(1)[:, None]
    assert (cut == rectangle).all()


def test_area_that_is_hidden():
    """Mean over centres: a quarter of the image, less what is cut off, squared per axis."""
    side = 16
    spans = [min(c + side // 2, 32) - max(c - side // 2, 0) for c in range(32)]
    expected = (np.mean(spans) / 32) ** 2
    assert masks(side).mean() == pytest.approx(expected, rel=0.03)


def test_shapes_that_are_not_square_and_odd_sides():
    cut = masks(5, shape=(7, 40), draws=500)
    assert cut.any(0).all()
    assert cut.sum((1, 2)).max() == 25


@pytest.mark.parametrize(('data', 'side'), [('cifar10', 16), ('cifar100', 8)])
def test_the_configs_fill_with_the_mean(data, side):
    """After standardisation the square is zero to within the rounding of a grey level."""
    [path] = (ROOT / 'configs/_base_/datasets').glob(f'{data}_*_cutout.py')
    cfg = Config.fromfile(path)
    pipeline = cfg.train_dataloader.dataset.pipeline
    assert [t.type for t in pipeline] == ['RandomCrop', 'RandomFlip', 'SquareCutout', 'PackInputs']
    assert pipeline[2].side == side
    image = np.full((32, 32, 3), 255, np.uint8)
    image = TRANSFORMS.build(pipeline[2])(dict(img=image))['img']
    preprocessor = MODELS.build(dict(type='ClsDataPreprocessor', **cfg.data_preprocessor))
    batch = dict(inputs=[torch.from_numpy(image).permute(2, 0, 1)])
    inputs = preprocessor(batch)['inputs'][0]
    hidden = inputs[:, torch.from_numpy((image != 255).all(2))]
    assert 0 < hidden.numel() <= 3 * side**2
    assert hidden.abs().max() < 0.5 / 50


def test_wrong_side():
    with pytest.raises(ValueError, match='side=0 leaves no square; allowed: from 1'):
        SquareCutout(0, 0)
