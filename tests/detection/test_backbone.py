"""The same weights give the same features in a classifier and in torchvision's detectors."""

import pytest
import torch

from senet_mm import get_model
from senet_mm.detection import torchvision_backbone
from senet_mm.detection.build import DETECTORS, build_detector
from senet_mm.models import SELayer
from senet_mm.utils.complexity import count_macs, count_params

NAMES = ['seresnet18_8xb32_in1k', 'seresnet50-caffe_8xb32_in1k', 'seresnet20_8xb16_cifar10']


def classifier(name, tmp_path):
    """A classifier whose statistics matter, and its checkpoint."""
    model = get_model(name)
    for key, buffer in model.named_buffers():
        if 'running' in key:
            buffer.uniform_(0.5, 1.5)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'classifier.pth')
    return model, tmp_path / 'classifier.pth'


@pytest.mark.parametrize('name', NAMES)
@torch.no_grad()
def test_features_are_those_of_the_classifier(name, tmp_path):
    model, checkpoint = classifier(name, tmp_path)
    last = len(model.backbone.stages) - 1
    backbone = torchvision_backbone(name, checkpoint, out_indices=range(last + 1)).eval()
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(backbone.body(image)[last], model.backbone(image)[0])
    seen = image.flip(1) if 'caffe' in name else image
    pyramid = backbone.fpn({str(i): level for i, level in enumerate(backbone.body(seen))})
    assert all(map(torch.equal, backbone(image).values(), pyramid.values()))


@pytest.mark.parametrize('name', NAMES)
@torch.no_grad()
def test_images_are_those_of_the_classifier(name, tmp_path):
    """A detector normalises an image as the classifier's preprocessor does."""
    backbone = torchvision_backbone(name, out_indices=(0, 1, 2))
    image = torch.randint(256, (3, 64, 64), dtype=torch.uint8)  # RGB
    read = image if 'cifar' in name else image.flip(0)  # files are read to BGR
    expected = get_model(name).data_preprocessor(dict(inputs=read[None]))['inputs']
    detector = build_detector('faster-rcnn', backbone, 3, 64)
    images, _ = detector.transform([image / 255])
    seen = images.tensors.flip(1) if backbone.bgr else images.tensors
    torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('kind', DETECTORS)
def test_detectors_train_what_is_not_frozen(kind):
    backbone = torchvision_backbone('seresnet18_8xb32_in1k', out_channels=32)
    detector = build_detector(kind, backbone, 3, 64)
    target = dict(
        boxes=torch.tensor([[8.0, 8, 40, 40]]),
        labels=torch.tensor([1]),
        masks=torch.ones(1, 64, 64),
    )
    detector.train()
    sum(detector([torch.rand(3, 64, 64)], [target]).values()).backward()
    idle = {name for name, value in backbone.body.named_parameters() if value.grad is None}
    assert idle == {
        name
        for name, _ in backbone.body.named_parameters()
        if name.startswith(('conv1', 'bn1', 'layer1'))
    }
    assert not any(
        m.training for m in backbone.body.modules() if isinstance(m, torch.nn.BatchNorm2d)
    )
    [found] = detector.eval()([torch.rand(3, 64, 64)])
    assert found['boxes'].shape == (len(found['scores']), 4)


def test_se_costs_a_detector_what_it_costs_a_classifier():
    """Parameters exactly; multiply-adds of the gates do not grow with the image."""
    names = ('resnet50_8xb32_in1k', 'seresnet50_8xb32_in1k')
    plain, se = (torchvision_backbone(name, frozen_stages=-1, norm_eval=False) for name in names)
    extra = count_params(se) - count_params(plain)
    assert extra == 28_088_024 - 25_557_032
    layers = [module for module in se.modules() if isinstance(module, SELayer)]
    biases = sum(layer.fc1.bias.numel() + layer.fc2.bias.numel() for layer in layers)
    for shape in ((3, 64, 96), (3, 128, 64)):
        macs = [count_macs(backbone, shape)[''] for backbone in (plain, se)]
        assert macs[1] - macs[0] == extra - biases


def test_unknown_detector():
    backbone = torchvision_backbone('seresnet18_8xb32_in1k')
    message = "detector='yolo' is not known; allowed: faster-rcnn, mask-rcnn, retinanet"
    with pytest.raises(ValueError, match=message):
        build_detector('yolo', backbone, 3, 64)


def test_foreign_checkpoint(tmp_path):
    _, checkpoint = classifier('seresnet18_8xb32_in1k', tmp_path)
    with pytest.raises(ValueError, match='does not fit'):
        torchvision_backbone('seresnet34_8xb32_in1k', checkpoint)
