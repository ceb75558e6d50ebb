"""The demo reads pictures of a stranger's config where the user's are not."""

import runpy

import pytest
from PIL import Image

from senet_mm.study.places import Places

from ..conftest import ROOT


@pytest.fixture(scope='module')
def tool():
    return runpy.run_path(str(ROOT / 'tools/demo.py'))


def test_pictures_of_others_are_not_shown(tool, explainer, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(checkpoint.parent)
    for label in range(10):
        (tmp_path / f'private/{label}').mkdir(parents=True)
        Image.new('L', (8, 8), label).save(tmp_path / f'private/{label}/a.png')
    dataset = explainer.predictor.cfg.val_dataloader.dataset
    pipeline = [dict(type='LoadImage', color_type='grayscale'), dict(type='PackInputs')]
    dataset.update(type='FolderDataset', data_root=str(tmp_path / 'private'), pipeline=pipeline)
    dataset.split = 'all'
    places = Places([checkpoint.parent, '.'])
    line = tool['learn'](explainer, [], places)
    assert line.startswith('no average gates: val_dataloader.dataset.data_root=')
    assert line.endswith(f'--data-root {tmp_path}/private')
    assert tool['find_examples'](explainer, [], tmp_path, places) == []
    for allowed in (Places(['.'], [tmp_path / 'private']), None):
        assert tool['learn'](explainer, [], allowed) == (
            'average gates of 10 images of the validation set'
        )
        assert len(tool['find_examples'](explainer, [], tmp_path, allowed)) == 10
