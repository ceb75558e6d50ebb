"""A part of a JPEG, decoded alone, is the part of the decoded JPEG, to the bit."""

from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec

import cv2
import numpy as np
import pytest
from mmengine import Config
from PIL import Image
from skimage import data

from senet_mm.datasets import CustomDataset, DamagedImageError, LoadImage, PackTensors
from senet_mm.datasets.images import turbojpeg
from senet_mm.datasets.images.decoding import decode
from senet_mm.datasets.images.turbojpeg import can_decode_windows, decode_window, read_header
from senet_mm.datasets.images.undecoded import UndecodedJpeg, open_jpeg
from senet_mm.engine.data_loader import build_data_loader
from senet_mm.registry import TRANSFORMS

from ...conftest import ROOT
from ..files import DAMAGED, GOOD, save

with_extra = pytest.mark.skipif(not can_decode_windows(), reason='needs the extra windows')
# Sides that are no multiples of a unit.
PHOTO = data.astronaut()[60:249, 130:351]
SIZE = PHOTO.shape[:2]


def encode(*options):
    """By OpenCV, which has more kinds of subsampling."""
    return cv2.imencode('.jpg', PHOTO[..., ::-1], options)[1].tobytes()


def make_jpegs():
    """JPEGs of the photograph by name."""
    photo, turned = Image.fromarray(PHOTO), Image.Exif()
    turned[0x0112] = 6
    factors = {
        name: encode(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, value)
        for name, value in vars(cv2).items()
        if name.startswith('IMWRITE_JPEG_SAMPLING_FACTOR_')
    }
    assert len(factors) == 5
    return {
        **factors,
        'restarts in a row': encode(cv2.IMWRITE_JPEG_RST_INTERVAL, 3),
        'grey': save(photo.convert('L'), 'JPEG'),
        'RGB': save(photo, 'JPEG', keep_rgb=True),
        'turned by EXIF': save(photo, 'JPEG', exif=turned),
        'coarse': save(photo, 'JPEG', quality=5),
        'a line': save(photo.crop((0, 0, 221, 1)), 'JPEG'),
        'a column': save(photo.crop((0, 0, 1, 189)), 'JPEG'),
        'bytes behind the end': save(photo, 'JPEG') + b'\0' * 500,
    }


JPEGS = make_jpegs()


def draw_windows(shape, number, seed=0):
    """Random parts, and the ones at the ends."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        yield tuple(slice(*sorted(rng.choice(side + 1, 2, replace=False))) for side in shape[:2])
    ends = [(slice(0, 1), slice(side - 1, side), slice(0, side)) for side in shape[:2]]
    yield from ((rows, columns) for rows in ends[0] for columns in ends[1])


@with_extra
@pytest.mark.parametrize('name', JPEGS)
def test_parts_of_a_jpeg(name):
    for color_type, bits in (('color', 8), ('unchanged', 8), ('grayscale', 8), ('color', 16)):
        whole = decode(JPEGS[name], color_type, bits)
        jpeg = open_jpeg(JPEGS[name], color_type, bits)
        assert jpeg.shape == whole.shape
        assert np.array_equal(np.asarray(jpeg), whole)
        for window in draw_windows(whole.shape, 150 if color_type == 'color' else 20):
            part = jpeg[window]
            assert part.dtype == whole.dtype
            assert np.array_equal(part, whole[window]), window


@with_extra
@pytest.mark.parametrize('name', GOOD)
def test_what_is_left_undecoded(name):
    """JPEGs, except for CMYK and progressive ones; other files are decoded."""
    jpeg = open_jpeg(GOOD[name])
    left = GOOD[name][:2] == b'\xff\xd8' and name not in ('cmyk', 'progressive')
    assert (jpeg is not None) == left


@pytest.mark.parametrize('name', [*DAMAGED, 'cmyk', 'progressive', 'png'])
def test_other_files_are_loaded_as_without(name, tmp_path):
    path = tmp_path / 'image.JPEG'
    path.write_bytes({**GOOD, **DAMAGED}[name])
    outcomes = []
    for waits in (False, True):
        load = LoadImage()
        load.waits = waits
        try:
            outcomes.append(load(dict(img_path=str(path)))['img'].tolist())
        except DamagedImageError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
    assert isinstance(outcomes[0], str) == (name in DAMAGED)


@with_extra
@pytest.mark.parametrize('name', ['IMWRITE_JPEG_SAMPLING_FACTOR_420', 'RGB', 'grey'])
def test_damage_within_a_jpeg_is_repaired_as_without(name, capfd):
    """Whatever bytes are wrong: the same error, or the same pixels of each part."""
    rng, pieces = np.random.default_rng(0), 0
    for i in range(60):
        jpeg = bytearray(JPEGS[name])
        places = rng.integers(len(jpeg) // 4 if i % 3 else 2, len(jpeg) - 2, 1 + i % 4)
        for place in places:
            jpeg[place] = rng.integers(256)
        outcomes = []
        for read in (decode, open_jpeg):
            try:
                img = read(bytes(jpeg))
                img = decode(bytes(jpeg)) if img is None else img
                windows = draw_windows(img.shape, 3, i)
                outcomes.append((img.shape, [img[window].tobytes() for window in windows]))
                pieces += 1
            except ValueError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1], (i, places)
    assert pieces > 60
    capfd.readouterr()  # libjpeg's warnings


@with_extra
def test_threads_have_decoders_of_their_own():
    jpeg = open_jpeg(JPEGS['coarse'])
    whole, windows = np.asarray(jpeg), list(draw_windows(jpeg.shape, 200))
    with ThreadPoolExecutor(4) as pool:
        for window, part in zip(windows, pool.map(jpeg.__getitem__, windows), strict=True):
            assert np.array_equal(part, whole[window])


@pytest.fixture
def fresh():
    """What is known of the library is forgotten before and after."""
    for one in (turbojpeg.load_library, can_decode_windows):
        one.cache_clear()
    yield
    for one in (turbojpeg.load_library, can_decode_windows):
        one.cache_clear()


LACKING = {
    'no package': lambda name: None,
    'package of one file': lambda name: ModuleSpec(name, None),
    'package without a library': lambda name: ModuleSpec(name, None, origin=__file__),
    'library without the functions': None,
}


@pytest.mark.parametrize('name', LACKING)
def test_without_the_library(name, fresh, monkeypatch):
    if LACKING[name] is None:
        monkeypatch.setitem(turbojpeg.FUNCTIONS, 'tj4Init', (None, []))
    else:
        monkeypatch.setattr(turbojpeg, 'find_spec', LACKING[name])
    assert not can_decode_windows()
    assert open_jpeg(JPEGS['grey']) is None


@with_extra
def test_a_library_that_decodes_otherwise_is_not_used(fresh, monkeypatch):
    assert can_decode_windows()
    monkeypatch.setattr(turbojpeg, 'decode_window', lambda *args: decode_window(*args) ^ 1)
    can_decode_windows.cache_clear()
    assert not can_decode_windows()


@with_extra
@pytest.mark.parametrize('rows', [slice(0, 0), slice(9, 5), slice(0, 9, 2), slice(500, 600)])
def test_no_pixels_are_not_all_pixels(rows):
    with pytest.raises(AssertionError):
        open_jpeg(JPEGS['grey'])[rows, :]


@with_extra
def test_header():
    assert read_header(JPEGS['grey']) == (*SIZE, True, 8)
    assert read_header(JPEGS['IMWRITE_JPEG_SAMPLING_FACTOR_411']) == (*SIZE, False, 32)
    assert read_header(GOOD['cmyk']) is None
    assert read_header(b'\xff\xd8' + bytes(9)) is None


def write_folder(root):
    """A data set of JPEGs and one damaged file; returns its path."""
    for i, content in enumerate([*JPEGS.values(), DAMAGED['half a jpeg']]):
        (root / f'{i % 2}').mkdir(exist_ok=True)
        (root / f'{i % 2}/{i}.jpg').write_bytes(content)
    return str(root)


def build_loader(dataset):
    sampler = dict(type='DefaultSampler', shuffle=True)
    return build_data_loader(dict(dataset=dataset, batch_size=4, sampler=sampler), seed=0)


CONFIGS = sorted(
    path.name
    for path in ROOT.glob('configs/_base_/datasets/*.py')
    if 'AntialiasedResizedCrop' in path.read_text()
)


def test_batches_are_the_same_without_the_extra(tmp_path, monkeypatch):
    """By the recipe's own pipeline, augmentation and replaced damage included."""
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/imagenet_bs32_senet.py')
    batches = []
    for has_extra in (True, False):
        if not has_extra:
            monkeypatch.setattr('senet_mm.datasets.windows.can_decode_windows', lambda: False)
        loader = build_loader(CustomDataset(write_folder(tmp_path), pipeline=cfg.train_pipeline))
        waits = loader.dataset.pipeline.transforms[0].waits
        assert waits == (has_extra and can_decode_windows())
        batches.append([(batch['inputs'], batch['gt_label'], loader.damaged) for batch in loader])
    assert len(batches[0]) == 4
    assert sum(len(damaged) for _, _, damaged in batches[0]) == 1
    for (images, labels, damaged), (others, other_labels, other_damaged) in zip(
        *batches, strict=True
    ):
        assert (images == others).all()
        assert (labels == other_labels).all()
        assert damaged == other_damaged


@with_extra
@pytest.mark.parametrize('name', CONFIGS)
def test_every_recipe_with_the_crop_decodes_it_alone(name, tmp_path):
    cfg = Config.fromfile(ROOT / f'configs/_base_/datasets/{name}')
    dataset = CustomDataset(write_folder(tmp_path), pipeline=cfg.train_dataloader.dataset.pipeline)
    assert build_loader(dataset).dataset.pipeline.transforms[0].waits


class OwnCrop(TRANSFORMS.get('AntialiasedResizedCrop')):
    """A user's, which looks at the pixels."""


@with_extra
@pytest.mark.parametrize(
    'steps',
    [
        [LoadImage(), PackTensors()],
        [LoadImage(), OwnCrop(8), PackTensors()],
        [LoadImage(), dict(type='RandomFlip', prob=0.5), OwnCrop(8), PackTensors()],
    ],
)
def test_other_pipelines_get_decoded_images(steps, tmp_path):
    dataset = CustomDataset(write_folder(tmp_path), pipeline=steps)
    assert not build_loader(dataset).dataset.pipeline.transforms[0].waits


@with_extra
def test_damage_that_only_the_crop_meets_names_the_file(monkeypatch):
    """As an error of the same kind as of ``LoadImage``."""
    jpeg = UndecodedJpeg(DAMAGED['zeros'], read_header(JPEGS['grey']), 'color', 8)
    crop = TRANSFORMS.build(dict(type='AntialiasedResizedCrop', scale=8))
    with pytest.raises(DamagedImageError, match=r'^a\.jpg: not an image; it begins with'):
        crop(dict(img=jpeg, img_path='a.jpg'))
