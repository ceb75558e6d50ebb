"""SE-ResNet-50 with the names of shicai/SENet-Caffe."""

import pytest
import torch

from senet_mm.apis import get_model
from senet_mm.converters import read_caffemodel, write_caffemodel
from senet_mm.converters.caffe import layer_maps
from senet_mm.converters.formats import SHICAI
from senet_mm.converters.target import Target

from .caffe_definitions import shicai_seresnet50
from .caffe_interpreter import random_blobs, run
from .parity import caffe_model, convert, image

pytestmark = pytest.mark.slow

CONFIG = 'seresnet50-shicai_8xb32_in1k'
# Its network, from that of the released weights.
RELEASED = 'seresnet50-caffe_8xb32_in1k'
OPTIONS = {
    'model.backbone.block.style': 'pytorch',
    'model.backbone.norm_cfg': {'type': 'BN', 'eps': 1e-4},
}


@pytest.fixture(scope='module')
def network():
    """His layers, their blobs, an image and its logits, in double precision."""
    layers, picture = shicai_seresnet50(), image(64)
    blobs = random_blobs(layers, picture, factor=1024, top='fc6')
    [logits] = run(layers, blobs, picture.double(), tops=('fc6',))
    return layers, blobs, picture.double(), logits.flatten(1)


@pytest.fixture(scope='module')
def folder(network, tmp_path_factory):
    """With his file and ours."""
    folder = tmp_path_factory.mktemp('shicai')
    write_caffemodel(folder / 'net.caffemodel', caffe_model(*network[:2]))
    convert('caffe', folder / 'net.caffemodel', folder / 'ours.pth', CONFIG)
    return folder


def test_names(network):
    target = Target(CONFIG)
    maps = layer_maps(target, SHICAI.layers)
    types = {layer.name: layer.type for layer in network[0] if layer.blob_shapes}
    assert {layer.name: layer.type for layer in maps} == types


def test_logits(network, folder):
    _, _, picture, logits = network
    with torch.no_grad():
        ours = get_model(checkpoint=folder / 'ours.pth').double()(picture)
    assert 0.5 < logits.std() < 2
    assert (ours - logits).abs().max() < 1e-9


def test_images_and_classes(folder):
    """His classes are sorted, unlike those of the released networks."""
    model = get_model(checkpoint=folder / 'ours.pth')
    assert model.origin.preprocessing == dict(
        mean=[103.94, 116.78, 123.68], std=[1 / 0.017] * 3, channel_order='BGR', resize=256,
        edge='short', backend='cv2', interpolation='bilinear', crop=224, input_size=[3, 224, 224],
    )  # fmt: skip
    assert model.data_preprocessor.mean.flatten().tolist() == pytest.approx(
        [103.94, 116.78, 123.68]
    )
    assert model.dataset_meta['classes'][0].startswith('tench')


def test_there_and_back(network, folder):
    """The weights have the axes that Caffe wants."""
    layers, blobs = network[:2]
    back = folder / 'back.caffemodel'
    convert('caffe', folder / 'ours.pth', back, CONFIG, '--reverse')
    written = {layer.name: layer for layer in read_caffemodel(back).layers}
    for layer in layers:
        if layer.blob_shapes:
            found = written.pop(layer.name)
            assert found.type == layer.type
            assert [list(blob.shape) for blob in found.blobs] == layer.blob_shapes
            factor = 1024 if layer.type == 'BatchNorm' else 1
            for blob, given in zip(found.blobs, blobs[layer.name], strict=True):
                assert (blob * factor == given).all()
    assert not written


@pytest.mark.parametrize('keys', [[], *([key] for key in OPTIONS), [*OPTIONS]])
def test_a_network_that_is_not_his(keys):
    """The released networks have other strides and norms; names and shapes are the same."""
    target = Target(RELEASED, options={key: OPTIONS[key] for key in keys})
    assert target.does(target.geometry_in(SHICAI)) == (len(keys) == 2)
