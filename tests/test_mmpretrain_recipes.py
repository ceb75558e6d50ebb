"""Configs that claim a recipe of mmpretrain: its network at the start, its images, its schedule."""

import math
import re
from pathlib import Path

import cv2
import mmpretrain
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS as THEIR_MODELS
from mmpretrain.registry import TRANSFORMS as THEIR_TRANSFORMS
from skimage import data

from senet_mm.converters.formats import MMPRETRAIN, their_name
from senet_mm.datasets.images.resizing import resize
from senet_mm.registry import MODELS, TRANSFORMS

from .conftest import ROOT

THEIRS = Path(mmpretrain.__file__).parent / '.mim/configs'
# Ours -> the name of mmpretrain's in the line with the published score.
CLAIMS = {
    str(path.relative_to(ROOT / 'configs')): claim[1]
    for path in sorted(ROOT.glob('configs/[!_]*/*.py'))
    if (claim := re.search(r'\(mmpretrain model zoo, (\S+)\)', path.read_text()))
}


def load(name):
    [theirs] = THEIRS.glob(f'*/{CLAIMS[name]}.py')
    return Config.fromfile(ROOT / 'configs' / name), Config.fromfile(theirs)


def test_two_configs_claim_a_recipe_of_mmpretrain():
    assert CLAIMS == {
        'seresnet/seresnet50_8xb32-140e_in1k.py': 'seresnet50_8xb32_in1k',
        'seresnet/seresnet101_8xb32-100e_in1k.py': 'seresnet101_8xb32_in1k',
    }


@pytest.mark.parametrize('name', CLAIMS)
def test_starts_as_their_network(name):
    """Mean and standard deviation of every tensor, within five standard errors."""
    our_cfg, their_cfg = load(name)
    ours = MODELS.build(our_cfg.model)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        theirs = THEIR_MODELS.build(their_cfg.model)
        theirs.init_weights()
    ours.init_weights()
    a, b = ours.state_dict(), theirs.state_dict()
    assert {their_name(key, MMPRETRAIN) for key in a} == b.keys()
    for key, value in a.items():
        peer = b[their_name(key, MMPRETRAIN)]
        if value.numel() == 1:
            assert value == peer
            continue
        size, std = value.numel(), peer.std().item()
        assert value.mean().item() == pytest.approx(
            peer.mean().item(), abs=5 * std * math.sqrt(2 / size)
        ), key
        assert value.std().item() == pytest.approx(std, abs=5 * std / math.sqrt(size)), key


@pytest.mark.parametrize('name', CLAIMS)
def test_trains_by_their_schedule(name):
    ours, theirs = load(name)
    for key in ('train_cfg', 'param_scheduler', 'auto_scale_lr'):
        assert ours[key] == theirs[key]
    for key, value in theirs.optim_wrapper.optimizer.items():
        assert ours.optim_wrapper.optimizer[key] == value
    assert 'paramwise_cfg' not in ours.optim_wrapper
    assert ours.train_dataloader.batch_size == theirs.train_dataloader.batch_size


PICTURES = ('astronaut', 'coffee', 'rocket', 'chelsea')


@pytest.mark.parametrize('name', CLAIMS)
@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_validates_on_their_images(name, suffix, tmp_path):
    """The network's input is equal to the bit."""
    inputs = []
    for cfg, models, transforms in zip(
        load(name), (MODELS, THEIR_MODELS), (TRANSFORMS, THEIR_TRANSFORMS), strict=True
    ):
        scope = 'senet_mm' if models is MODELS else 'mmpretrain'
        with DefaultScope.overwrite_default_scope(scope):
            preprocessor = models.build({'type': 'ClsDataPreprocessor', **cfg.data_preprocessor})
            pipeline = [transforms.build(step) for step in cfg.val_dataloader.dataset.pipeline]
        inputs.append([])
        for picture in PICTURES:
            path = tmp_path / f'{picture}{suffix}'
            cv2.imwrite(str(path), getattr(data, picture)()[..., ::-1])
            results = dict(img_path=str(path), gt_label=0)
            for transform in pipeline:
                results = transform(results)
            batch = dict(inputs=[results['inputs']], data_samples=[results['data_samples']])
            inputs[-1].append(preprocessor(batch)['inputs'])
    assert torch.equal(torch.cat(inputs[0]), torch.cat(inputs[1]))


BASES = sorted(path.name for path in ROOT.glob('configs/_base_/datasets/[ip]*.py'))


@pytest.mark.parametrize('name', BASES)
def test_resizes_in_validation_as_in_training(name):
    """Antialiased: cv2's bilinear resize differs by one grey level in the mean and 40 at most."""
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets' / name)
    assert cfg.train_dataloader.dataset.pipeline[1].type == 'AntialiasedResizedCrop'
    photo = data.chelsea()  # 300 x 451
    for split in ('val', 'test'):
        [step] = [
            step
            for step in cfg[f'{split}_dataloader'].dataset.pipeline
            if step.type == 'ResizeEdge'
        ]
        step.scale = 128
        resized = TRANSFORMS.build(step)(dict(img=photo))['img']
        difference = np.abs(resized.astype(int) - resize(photo, resized.shape[:2]))
        assert difference.max() <= 1
        assert difference.mean() < 0.01
