"""Pictures through our pipeline and network and through the source's give the same logits."""

from pathlib import Path

import cv2
import mmpretrain
import numpy as np
import pytest
import timm
import torch
import torchvision
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS
from mmpretrain.registry import TRANSFORMS as MMPRETRAIN_TRANSFORMS
from PIL import Image

from senet_mm.apis import get_model
from senet_mm.converters import write_caffemodel
from senet_mm.converters.tensor_files import write_tensors

from .caffe_interpreter import random_blobs, run
from .parity import NETS, caffe_model, convert, randomise

# (width, height): larger and smaller than the resize, both ways round, odd margins.
SIZES = [(401, 333), (300, 517), (231, 180)]
MMPRETRAIN_CONFIGS = Path(mmpretrain.__file__).parent / '.mim/configs'


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Pictures with structure at all scales, as PNG."""
    folder, rng = tmp_path_factory.mktemp('pictures'), np.random.default_rng(0)
    paths = []
    for width, height in SIZES:
        coarse = cv2.resize(rng.integers(0, 256, (7, 9, 3)).astype(np.uint8), (width, height))
        picture = coarse * 0.7 + rng.integers(0, 76, (height, width, 3))
        paths.append(str(folder / f'{width}.png'))
        cv2.imwrite(paths[-1], picture.astype(np.uint8))
    return paths


def our_logits(config, checkpoint, files):
    """The pictures through the test pipeline, the preprocessor and the network."""
    model = get_model(config, checkpoint)
    pipeline = Compose(model.cfg.test_dataloader.dataset.pipeline)
    batch = default_collate([pipeline(dict(img_path=file, gt_label=0)) for file in files])
    with torch.no_grad():
        return model(model.data_preprocessor(batch)['inputs'])


def draw_logits(network, batch):
    """Logits of a network whose weights are drawn to suit the pictures."""
    with torch.no_grad():
        return randomise(network, batch).eval()(batch)


def assert_same(ours, theirs, tolerance):
    assert 0.3 < theirs.std() < 3
    assert (ours - theirs).abs().max() < tolerance


def apply(transform, files):
    """A batch of the pictures by a transform of PIL's images."""
    return torch.stack([transform(Image.open(file)) for file in files])


@pytest.mark.parametrize(
    ('name', 'config'),
    [('legacy_seresnet50', 'seresnet50-caffe_8xb32_in1k'), ('seresnet50', 'seresnet50_8xb32_in1k')],
)
def test_timm(name, config, files, tmp_path):
    network = timm.create_model(name)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    theirs = draw_logits(network, apply(transform, files))
    write_tensors(tmp_path / 'net.safetensors', network.state_dict())
    convert('timm', tmp_path / 'net.safetensors', tmp_path / 'ours.pth', config)
    assert_same(our_logits(config, tmp_path / 'ours.pth', files), theirs, 1e-4)


def test_torchvision(files, tmp_path):
    config = 'resnet50_8xb32_in1k'
    network = torchvision.models.resnet50()
    transform = torchvision.models.ResNet50_Weights.IMAGENET1K_V1.transforms()
    theirs = draw_logits(network, apply(transform, files))
    write_tensors(tmp_path / 'net.pth', network.state_dict())
    convert('torchvision', tmp_path / 'net.pth', tmp_path / 'ours.pth', config)
    assert_same(our_logits(config, tmp_path / 'ours.pth', files), theirs, 1e-4)


@pytest.mark.parametrize('content', ['weights', 'checkpoint'])
def test_mmpretrain(content, files, tmp_path):
    """A file that says nothing, and one with a config of other images."""
    cfg = Config.fromfile(MMPRETRAIN_CONFIGS / 'seresnet/seresnet50_8xb32_in1k.py')
    if content == 'checkpoint':
        cfg.merge_from_dict({'data_preprocessor.mean': [90, 100, 110]})
        for loader in ('val_dataloader', 'test_dataloader'):
            cfg[loader].dataset.pipeline[1].update(scale=240, backend='cv2')
    cfg.model.data_preprocessor = dict(cfg.data_preprocessor, type='ClsDataPreprocessor')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        network = MMPRETRAIN_MODELS.build(cfg.model)
    steps = [MMPRETRAIN_TRANSFORMS.build(step) for step in cfg.test_dataloader.dataset.pipeline]
    batch = default_collate([Compose(steps)(dict(img_path=file, gt_label=0)) for file in files])
    theirs = draw_logits(network, network.data_preprocessor(batch)['inputs'])
    saved = dict(state_dict=network.state_dict())
    if content == 'checkpoint':
        saved['meta'] = dict(cfg=cfg.pretty_text)
    torch.save(saved, tmp_path / 'net.pth')
    convert('mmpretrain', tmp_path / 'net.pth', tmp_path / 'ours.pth', 'seresnet50_8xb32_in1k')
    assert_same(our_logits('seresnet50_8xb32_in1k', tmp_path / 'ours.pth', files), theirs, 1e-4)


def caffe_image(file):
    """As the README of the released networks says, by OpenCV as Caffe does it, (1, 3, 224, 224)."""
    picture = cv2.imread(file)
    height, width = picture.shape[:2]
    share = 256 / min(height, width)
    picture = cv2.resize(picture, (int(width * share), int(height * share)))
    top, left = (round((side - 224) / 2) for side in picture.shape[:2])
    picture = picture[top : top + 224, left : left + 224].astype(np.float32)
    return torch.from_numpy((picture - [104, 117, 123]).transpose(2, 0, 1))[None].float()


def test_caffe(files, tmp_path):
    """Against the interpreter of Caffe's layers."""
    layers, config = NETS['SE-ResNet-50'].layers, 'seresnet50-caffe_8xb32_in1k'
    inputs = torch.cat([caffe_image(file) for file in files])
    blobs = random_blobs(layers, inputs)
    write_caffemodel(tmp_path / 'net.caffemodel', caffe_model(layers, blobs))
    convert('caffe', tmp_path / 'net.caffemodel', tmp_path / 'ours.pth', config, order='source')
    with torch.no_grad():
        [theirs] = run(layers, blobs, inputs)
    assert_same(our_logits(config, tmp_path / 'ours.pth', files), theirs, 1e-3)
