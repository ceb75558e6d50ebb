"""The scenes: the same images everywhere, and no pixel for both training and testing."""

import hashlib
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from senet_mm.datasets.scenes import SCENES, read_scenes, write_scenes
from senet_mm.registry import DATASETS

from ..conftest import load_tool

DIGEST = 'ece079066b7e1298dbcd4493cd4c3127201a3e6bcaf0b108eddc455fc0c7a2aa'
TOOL = load_tool('tools/dataset_tools/make_scenes.py')


def make(out, **options):
    TOOL.main(SimpleNamespace(**{'out': out, 'train': 2, 'test': 1, 'seed': 0, **options}))
    return {split: read_scenes(out, split) for split in ('train', 'test')}


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """The folder of a few images."""
    folder = tmp_path_factory.mktemp('scenes')
    make(folder)
    return folder


def test_same_images_everywhere(made):
    """The digest of the first images of each class; another version of a library may change it."""
    digest = hashlib.sha256()
    for split, count in (('train', 2), ('test', 1)):
        images, labels = read_scenes(made, split)
        assert images.shape == (len(SCENES) * count, 24, 24)
        assert labels.tolist() == [label for label in range(len(SCENES)) for _ in range(count)]
        digest.update(images.tobytes())
    assert digest.hexdigest() == DIGEST


def test_more_images_begin_with_the_same(made, tmp_path):
    more, few = make(tmp_path / 'more', train=3), read_scenes(made, 'train')
    kept = more['train'][0].reshape(len(SCENES), 3, 24, 24)[:, :2]
    assert np.array_equal(kept.reshape(few[0].shape), few[0])
    other = make(tmp_path / 'other', seed=1)
    assert not np.array_equal(other['train'][0], few[0])


@pytest.mark.parametrize('shape', [(172, 448), (191, 384), (303, 384), (427, 640), (512, 512)])
def test_no_pixel_is_in_two_tiles(shape):
    """A pixel holds the number of its row and column."""
    rows, columns = np.indices(shape)
    pixels = np.stack([rows // 256 * 16 + columns // 256, rows % 256, columns % 256], 2)
    numbers = {
        split: np.concatenate([np.asarray(tile).reshape(-1, 3) for tile in tiles])
        for split, tiles in TOOL.cut_photograph(Image.fromarray(pixels.astype(np.uint8))).items()
    }
    together = np.concatenate([*numbers.values()])
    assert len(np.unique(together, axis=0)) == len(together) == rows.size
    assert 0.12 < len(numbers['test']) / rows.size < 0.28


def test_tiles_of_a_large_photograph_are_cut_before_they_are_shrunk():
    """What is shrunk first is mixed across the borders: here training tiles are all black."""
    black = Image.new('L', (1030, 1030))
    width = 1030 / 8
    for row, column in itertools.product(range(8), range(8)):
        if (column + 2 * row) % 5 == 0:
            box = (column * width, row * width, (column + 1) * width, (row + 1) * width)
            black.paste(255, [round(side) for side in box])
    tiles = TOOL.cut_photograph(black)
    assert {side for each in tiles.values() for tile in each for side in tile.size} == {64}
    assert all(tile.getextrema() == (0, 0) for tile in tiles['train'])
    assert all(tile.getextrema() == (255, 255) for tile in tiles['test'])


def test_a_crop_stays_within_its_tile():
    """What is outside of a tile is black."""
    rng = np.random.default_rng(0)
    white = Image.new('L', (63, 63), 255)  # the least that rounding leaves
    for _ in range(300):
        assert TOOL.draw_crop(white, rng).min() == 255


def test_an_image_shows_something():
    """Part of the photograph is without detail."""
    pixels = np.full((400, 400), 100, np.uint8)
    pixels[:, 200:] = np.random.default_rng(0).integers(0, 255, (400, 200))
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert TOOL.draw_image([Image.fromarray(pixels)], rng).std() > 3


def test_data_set(made):
    pipeline = [dict(type='PackInputs')]
    config = dict(type='Scenes', data_root=str(made), pipeline=pipeline)
    train, test = (DATASETS.build({**config, 'split': split}) for split in ('train', 'test'))
    assert (len(train), len(test)) == (42, 21)
    assert train.CLASSES == test.CLASSES == SCENES
    sample = test[20]
    assert sample['inputs'].shape == (1, 24, 24)
    assert sample['data_samples'].gt_label.item() == 20
    assert np.array_equal(sample['inputs'][0], read_scenes(made, 'test')[0][20])


def test_mistakes(made, tmp_path):
    with pytest.raises(ValueError, match="split='val' is not known; allowed: train, test"):
        DATASETS.build(dict(type='Scenes', data_root=str(made), split='val', pipeline=[]))
    with pytest.raises(
        FileNotFoundError, match=r'train.npz does not exist; allowed: a folder made'
    ):
        read_scenes(tmp_path, 'train')
    whole = (made / 'train.npz').read_bytes()
    (tmp_path / 'train.npz').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r'train.npz cannot be read: '):
        read_scenes(tmp_path, 'train')
    write_scenes(tmp_path, 'train', np.zeros((2, 8, 8), np.uint8), np.zeros(2, np.uint8))
    with pytest.raises(ValueError, match=r'holds images uint8 \(2, 8, 8\) and labels uint8 \(2,\)'):
        read_scenes(tmp_path, 'train')
    images = np.zeros((2, 24, 24), np.uint8)
    write_scenes(tmp_path, 'train', images, np.full(2, 21, np.uint8))
    with pytest.raises(ValueError, match=r'up to 21; allowed: .* below 21'):
        read_scenes(tmp_path, 'train')
    with pytest.raises(ValueError, match='--train 0 --test 1: allowed: 1 and more'):
        make(tmp_path / 'none', train=0)
