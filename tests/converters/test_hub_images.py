"""How images are prepared, in timm's words and back; what those cannot say is said in a line."""

import math

import pytest

from senet_mm.apis import get_config, list_models
from senet_mm.converters.hub_config import HubConfig, describe_images
from senet_mm.converters.hub_images import find_share, to_hub
from senet_mm.converters.images import IMAGENET
from senet_mm.engine.weights.preprocessing import describe_preprocessing


def read_back(fields):
    """Our words for what ``to_hub`` gives."""
    channels = fields['input_size'][0]
    return describe_images(HubConfig('config.json', 'resnet18', 1, channels, None, fields, None))


def test_shares():
    """timm resizes to floor(crop / crop_pct); short decimals where they do."""
    for crop in (32, 96, 224, 299, 320):
        for resize in range(crop, 2 * crop):
            share = find_share(crop, resize)
            assert math.floor(crop / share) == resize
    assert find_share(224, 256) == 0.875
    assert find_share(224, 235) in (0.95, 0.953)


@pytest.mark.parametrize(
    'changes',
    [
        {},
        dict(mean=[127.5] * 3, std=[50, 60, 70.5], interpolation='bicubic', resize=235),
        dict(mean=[104, 117, 123], std=[1, 1, 1]),
        dict(interpolation='lanczos', resize=331, crop=299),
        dict(resize=[248, 248], crop=224),
        dict(crop=256),
    ],
)
def test_there_and_back(changes):
    given = IMAGENET | changes
    fields, lines = to_hub(given)
    assert lines == []
    assert read_back(fields) == {
        name: given[name] for name in ('mean', 'std', 'resize', 'crop', 'interpolation')
    }


def test_bgr_is_turned():
    fields, lines = to_hub(IMAGENET | dict(mean=[51, 102, 153], std=[1, 2, 3], channel_order='BGR'))
    assert fields['mean'] == [0.6, 0.4, 0.2]
    assert fields['std'] == pytest.approx([3 / 255, 2 / 255, 1 / 255])
    assert lines == []


def test_images_that_are_not_normalised():
    fields, _ = to_hub(IMAGENET | dict(mean=None, std=None))
    assert (fields['mean'], fields['std']) == ([0.0] * 3, pytest.approx([1 / 255] * 3))


@pytest.mark.parametrize(
    ('changes', 'line'),
    [
        (dict(backend='cv2'), 'images are resized by OpenCV; timm resizes them by Pillow'),
        (dict(edge='long'), 'the long side is resized to 256; timm resizes the short side'),
        (dict(resize=[256, 300]), 'images are resized to 256x300; timm makes them square'),
        (dict(crop=[192, 224]), 'the crop is 224x192; timm resizes for each side of it'),
        (dict(crop=None), 'images are not cropped; timm crops them to 224x224'),
        (dict(resize=None, crop=None), 'images are taken as they are; timm resizes them to 224'),
        (
            dict(backend='cv2', interpolation='area'),
            "images are resized by area interpolation; timm's is bilinear",
        ),
    ],
)
def test_what_timm_cannot_say(changes, line):
    _, lines = to_hub(IMAGENET | dict(input_size=[3, 224, 224]) | changes)
    assert line in lines


def test_what_is_not_known():
    fields, lines = to_hub({}, 3)
    assert fields == dict(input_size=[3, 224, 224])
    assert lines == [
        "it is not known how images are normalised; timm uses ImageNet's mean and std",
        'it is not known how images are resized; timm uses its defaults',
    ]
    assert to_hub(dict(mean=[1], std=[1], channel_order=None), 1)[1][0].startswith('timm must be')


@pytest.mark.parametrize('pattern', ['seresnet50*in1k', 'senet154*'])
def test_the_images_of_our_recipes(pattern):
    """None of those that timm has needs a line, and what is read back is the same."""
    for name in list_models(pattern):
        given = describe_preprocessing(get_config(name))
        fields, lines = to_hub(given)
        assert lines == []
        turned = dict(given)
        if given['channel_order'] == 'BGR':
            turned |= dict(mean=given['mean'][::-1], std=given['std'][::-1])
        for key, value in read_back(fields).items():
            is_numbers = key in ('mean', 'std')
            assert value == (pytest.approx(turned[key]) if is_numbers else turned[key]), key
