"""The stages that are drawn are those that training sees."""

from types import SimpleNamespace

import numpy as np
import pytest
from mmengine import Config

from senet_mm.analysis.pipeline_stages import INPUT, _name_label, draw_grid, get_stages
from senet_mm.engine import Runner
from senet_mm.registry import MODELS

from ..conftest import ROOT
from ..datasets.files import PHOTO
from ..datasets.test_damage import make_set
from ..figure_texts import check_texts

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('on', ['cpu', 'device'])
@pytest.mark.parametrize('to_rgb', [True, False])
def test_equals_the_batch_of_a_loader(tmp_path, on, to_rgb):
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/imagenet_bs32_senet.py')
    make_set(tmp_path, 12, 0)
    loader = cfg.train_dataloader
    loader.update(batch_size=6, num_workers=0)
    loader.dataset.data_root = str(tmp_path)
    loader.dataset.pipeline[2].on = on
    cfg.data_preprocessor.to_rgb = to_rgb
    loader.dataset.metainfo = dict(classes=[f'name of {i}, synonym' for i in range(1000)])
    rows = get_stages(loader, cfg.data_preprocessor, 6, seed=3, training=True)
    assert list(rows[0].pictures) == [
        'LoadImage', 'AntialiasedResizedCrop', 'RandomAugment', INPUT,
    ]  # fmt: skip
    assert np.abs(rows[0].pictures['LoadImage'].astype(int) - PHOTO).mean() < 3.5

    module = MODELS.build(cfg.data_preprocessor)
    batch = next(iter(Runner.build_dataloader(loader, seed=3)))
    inputs = module(batch, True)['inputs'] * module.std + module.mean
    rgb = inputs if to_rgb else inputs.flip(1)
    for row, image, label in zip(rows, rgb, batch['gt_label'], strict=True):
        expected = image.permute(1, 2, 0).round().byte().numpy()
        assert np.array_equal(row.pictures[INPUT], expected)
        assert row.title.endswith(f'\nclass name of {label}')
        same = np.array_equal(row.pictures['RandomAugment'], expected)
        assert same == (on == 'cpu')

    figure = draw_grid(rows, 'imagenet')
    assert {'imagenet', *rows[0].pictures, *(row.title for row in rows)} <= {*check_texts(figure)}
    assert len(figure.axes) == 6 * 4


@pytest.mark.parametrize(
    ('metainfo', 'label', 'named'),
    [
        ({'classes': ('cat, puss', '$dog')}, 1, 'class $dog'),
        ({'classes': ('cat, puss', '$dog')}, [0, 1], 'class cat, $dog'),
        ({'classes': ('cat', 'dog')}, 2, 'label 2'),
        ({}, np.int64(3), 'label 3'),
    ],
)
def test_names_of_labels(metainfo, label, named):
    assert _name_label(SimpleNamespace(metainfo=metainfo), label) == named


def test_tool_on_grey_images_of_a_data_set(run_tool, tmp_path):
    tool, config = (
        'tools/visualization/browse_dataset.py',
        'configs/digits/seresnet8_1xb64_digits.py',
    )
    run = run_tool(tool, config, '--out', tmp_path / 'a.png', '--images', 2, '--split', 'val')
    assert run.returncode == 0, run.stderr
    stages = "data set, ResizeEdge, CenterCrop, the network's input"
    assert f'a.png: 2 images, stages {stages}' in run.stdout
    assert (tmp_path / 'a.png').stat().st_size > 1000


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--images', 0], '--images=0; allowed: whole numbers from 1'),
        (['--out', 'a.jpg'], 'allowed: a file .png, .svg, .pdf in'),
    ],
)
def test_wrong_options(run_tool, options, message):
    run = run_tool('tools/visualization/browse_dataset.py', 'seresnet50_8xb32_in1k', *options)
    assert run.returncode == 1
    assert message in run.stderr
