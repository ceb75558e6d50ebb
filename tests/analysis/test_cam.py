"""Class activation maps: against their formula, by layer, and what they leave as it was."""

import cv2
import numpy as np
import pytest
import torch

from senet_mm import get_model
from senet_mm.analysis.cam import compute_cam, describe_look, find_layer, overlay
from senet_mm.analysis.cam_figure import draw_cam
from senet_mm.utils.errors import InputError

from ..figure_texts import check_texts

pytest.importorskip('pytorch_grad_cam')


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    model = get_model('seresnet18_8xb32_in1k').eval()
    torch.nn.init.normal_(model.head.fc.weight)
    return model


@pytest.fixture
def images():
    return torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(0))


def test_is_the_weighted_sum_of_the_last_map(model, images):
    """Equation 2 of CAM: the map by the class's row of the fully connected layer."""
    labels = [3, 7]
    with torch.no_grad():
        maps = model.backbone(images)[-1]
    places = torch.einsum('nchw,nc->nhw', maps, model.head.fc.weight[labels]).detach().relu()
    assert places.amax((1, 2)).min() > 0
    for cam, place in zip(compute_cam(model, images, labels), places.numpy(), strict=True):
        large = cv2.resize(place - place.min(), (64, 96))
        large -= large.min()
        np.testing.assert_allclose(cam, large / large.max(), atol=1e-5)


def test_a_map_of_one_place_says_whether_it_speaks_for_the_class(model):
    """The score of a class without its bias is positive, or it is not."""
    small = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = model.backbone(small)[-1]
    assert maps.shape[2:] == (1, 1)
    evidence = model.head.fc.weight.detach() @ maps.flatten()
    for label, value, said in (
        (evidence.argmax(), 1, 'all places speak alike for a'),
        (evidence.argmin(), 0, 'no place speaks for a'),
    ):
        [cam] = compute_cam(model, small, [int(label)])
        assert (cam == value).all()
        assert describe_look(cam, 'a') == said


def test_takes_the_predicted_class(model, images):
    with torch.no_grad():
        labels = model(images, mode='tensor').argmax(1).tolist()
    np.testing.assert_array_equal(compute_cam(model, images), compute_cam(model, images, labels))
    others = [label - 1 for label in labels]
    assert not np.allclose(compute_cam(model, images), compute_cam(model, images, others))


def test_leaves_the_network_as_it_was(model, images):
    hooks = sum(len(module._forward_hooks) for module in model.modules())
    model.backbone.layer1.requires_grad_(False)
    trained = [parameter.requires_grad for parameter in model.parameters()]
    with torch.no_grad():  # as a caller may have it
        compute_cam(model, images, layer='SE_4_2')
    assert [parameter.requires_grad for parameter in model.parameters()] == trained
    assert all(parameter.grad is None for parameter in model.parameters())
    assert sum(len(module._forward_hooks) for module in model.modules()) == hooks
    model.backbone.layer1.requires_grad_(True)


def test_a_layer_goes_by_its_name_in_the_figures(model, images):
    assert find_layer(model, 'SE_4_2') is model.backbone.layer3[1]
    assert find_layer(model, 'backbone.layer3.1.se') is model.backbone.layer3[1].se
    last = compute_cam(model, images, layer='SE_5_2')
    np.testing.assert_allclose(last, compute_cam(model, images), atol=1e-5)
    assert not np.allclose(last, compute_cam(model, images, layer='SE_4_2'), atol=0.1)


@pytest.mark.parametrize('layer', ['SE_9_1', '', 'head.fc', 'backbone.layer9'])
def test_another_layer_is_refused(model, images, layer):
    with pytest.raises(InputError, match=r'allowed: a block \(.*SE_5_2, \.\.\.\) or the path'):
        compute_cam(model, images, layer=layer)


def test_the_overlay_shows_picture_and_map():
    image = np.full((1, 2, 3), 100, np.uint8)
    cam = np.float32([[0, 1]])
    [[low, high]] = overlay(image, cam)
    # Both ends of viridis.
    np.testing.assert_allclose(low, 50 + 127.5 * np.array([0.267, 0.005, 0.329]), atol=1)
    np.testing.assert_allclose(high, 50 + 127.5 * np.array([0.993, 0.906, 0.144]), atol=1)
    np.testing.assert_array_equal(overlay(image[..., :1], cam), [[low, high]])


def test_the_figure_shows_both_with_a_title():
    figure = draw_cam(np.zeros((8, 6, 3), np.uint8), np.zeros((8, 6), np.float32), 'a.jpg: cat 0.9')
    assert figure.get_suptitle() == 'a.jpg: cat 0.9'
    saw, looked, bar = figure.axes
    assert saw.get_title() == 'as the network saw it, 6 x 8 pixels'
    assert [image.get_array().shape for axes in (saw, looked) for image in axes.images] == [
        (8, 6, 3),
        (8, 6, 3),
    ]
    assert bar.get_ylabel()
    check_texts(figure)
