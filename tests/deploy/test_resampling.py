"""Images are prepared in ONNX as by the pipeline, to the last bit of what the network sees."""

import numpy as np
import onnxruntime
import pytest
import torch
from mmengine.registry import init_default_scope
from skimage import data

from senet_mm.deploy.image_graph import build_preparation, check_preparation
from senet_mm.deploy.resampling import RESIZERS
from senet_mm.engine.weights.geometry import to_steps
from senet_mm.models import BatchPreprocessor
from senet_mm.registry import TRANSFORMS
from senet_mm.utils.errors import InputError

MEAN, STD = [123.675, 116.28, 103.53, 90.1], [58.395, 57.12, 57.375, 61.7]
# Height and width: larger and smaller than what is wanted, odd, tall, wide, of 1 pixel, too long.
SIZES = [(37, 53), (256, 256), (301, 256), (500, 375), (640, 240), (111, 640), (1, 9), (700, 20)]
GEOMETRIES = [
    dict(resize=256, edge='short', crop=224),
    dict(resize=[56, 45], edge='short', crop=None),
    dict(resize=64, edge='long', crop=1),
    dict(resize=100, edge='width', crop=[75, 31]),
    dict(resize=61, edge='height', crop=[20, 60]),
]
METHODS = [(backend, name) for backend, names in RESIZERS.items() for name in names]


def photographs():
    """Parts of photographs, uint8 RGB."""
    rng = np.random.default_rng(0)
    whole = [data.astronaut(), data.coffee(), data.rocket(), data.chelsea()]
    for number, (height, width) in enumerate(SIZES):
        photograph = np.pad(whole[number % 4], ((0, 300), (0, 100), (0, 0)), mode='reflect')
        photograph[::7, ::3] = rng.integers(0, 256, photograph[::7, ::3].shape)  # edges
        yield np.ascontiguousarray(photograph[:height, :width])


PHOTOGRAPHS = list(photographs())


def start(preprocessing, channels=3):
    check_preparation(preprocessing)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    graph = build_preparation(preprocessing, channels).SerializeToString()
    return onnxruntime.InferenceSession(graph, options, providers=['CPUExecutionProvider'])


def prepare(session, images):
    return torch.from_numpy(session.run(None, dict(images=images))[0])


def expect(preprocessing, image):
    """What pipeline and preprocessor make of an image, (H, W, C); the pipeline's are BGR."""
    init_default_scope('senet_mm')
    colours = image.shape[2] >= 3
    results = dict(img=image[..., [2, 1, 0, 3][: image.shape[2]]] if colours else image)
    for step in to_steps(preprocessing):
        results = TRANSFORMS.build(step)(results)
    img = results['img'].reshape(*results['img'].shape[:2], -1)
    planes = torch.from_numpy(np.ascontiguousarray(img)).permute(2, 0, 1)
    preprocessor = BatchPreprocessor(
        mean=preprocessing['mean'],
        std=preprocessing['std'],
        to_rgb=preprocessing['channel_order'] == 'RGB',
    )
    return preprocessor(dict(inputs=planes[None]))['inputs']


def describe(channels=3, order='RGB', **geometry):
    size = [channels, 224, 224]
    mean, std = MEAN[:channels], STD[:channels]
    return dict(mean=mean, std=std, channel_order=order, input_size=size, **geometry)


@pytest.mark.parametrize('geometry', GEOMETRIES, ids=str)
@pytest.mark.parametrize(('backend', 'name'), METHODS)
def test_every_method_is_exact(backend, name, geometry):
    preprocessing = describe(backend=backend, interpolation=name, **geometry)
    session = start(preprocessing)
    for image in PHOTOGRAPHS:
        if geometry['edge'] == 'long' and min(image.shape) < max(image.shape) / 64:
            continue  # no pixel is left
        assert torch.equal(prepare(session, image[None]), expect(preprocessing, image)), image.shape


@pytest.mark.parametrize(
    ('channels', 'order'), [(1, None), (3, 'RGB'), (3, 'BGR'), (4, 'RGB'), (4, 'BGR')]
)
def test_channels(channels, order):
    how = dict(backend='pillow', interpolation='bicubic', **GEOMETRIES[0])
    preprocessing = describe(channels, order, **how)
    session = start(preprocessing, channels)
    for image in PHOTOGRAPHS[:5]:
        image = np.dstack([image, image[::-1, ::-1, 1]])[..., :channels]
        assert torch.equal(prepare(session, image[None]), expect(preprocessing, image))


def test_images_of_one_size_are_a_batch():
    preprocessing = describe(backend='pillow', interpolation='bilinear', **GEOMETRIES[0])
    image = PHOTOGRAPHS[3]
    images = np.stack([image, image[::-1], 255 - image])
    expected = torch.cat([expect(preprocessing, image) for image in images])
    assert torch.equal(prepare(start(preprocessing), images), expected)


def test_without_normalisation_and_resize():
    preprocessing = describe(resize=None, crop=224) | dict(mean=None, std=None)
    image = PHOTOGRAPHS[2]
    levels = prepare(start(preprocessing), image[None])
    expected = torch.from_numpy(image[38:262, 16:240].copy()).permute(2, 0, 1)
    assert torch.equal(levels[0], expected.float())  # 38.5 is rounded to the even side


def test_images_that_are_not_brought_to_a_size_must_have_it():
    session = start(describe(resize=None, crop=None))
    image = PHOTOGRAPHS[3][:224, :224]
    assert prepare(session, image[None]).shape == (1, 3, 224, 224)
    with pytest.raises(Exception, match=r'Got: 223 Expected: 224'):
        prepare(session, image[None, :, :223])


REFUSED = {
    'what the data_preprocessor does': dict(resize=None, crop=None),
    'what the pipeline of test_dataloader does': dict(mean=None, std=None, channel_order='RGB'),
    "interpolation of cv2='area' is not known; allowed: nearest, bilinear": describe(
        backend='cv2', interpolation='area', **GEOMETRIES[0]
    ),
    'resize=256 gives images of several sizes; allowed: CenterCrop': describe(
        resize=256, edge='short', backend='cv2', interpolation='bilinear', crop=None
    ),
    'Resize by pillow multiplies RGBA images': describe(
        4, resize=[20, 20], edge='short', backend='pillow', interpolation='bilinear', crop=None
    ),
    'the network was trained on images of 16 bits': describe(resize=None, crop=224, bits=16),
}


@pytest.mark.parametrize('message', REFUSED)
def test_what_cannot_be_exact_is_refused(message):
    with pytest.raises(InputError, match=f'^preprocessing cannot be exported: .*{message}'):
        check_preparation(REFUSED[message])
