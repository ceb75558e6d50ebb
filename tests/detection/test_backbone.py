"""The same weights give the same features in a classifier and in torchvision's detectors."""

import pytest
import torch

from senet_mm import get_model, list_models
from senet_mm.apis import get_config
from senet_mm.detection import torchvision_backbone
from senet_mm.detection.train import DETECTORS, build_detector
from senet_mm.detection.stages import SERVED, choose_stages, find_strides
from senet_mm.models import SELayer
from senet_mm.utils.complexity import count_macs, count_params

NAMES = ['seresnet18_8xb32_in1k', 'seresnet50-caffe_in1k', 'seresnet20_8xb16_cifar10']


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


def first_of_every_type():
    """A config of the project for every type of backbone that takes RGB images."""
    found = {}
    for name in reversed(list_models()):  # the smaller SE-ResNets are among the last
        backbone = get_config(name).model.backbone
        if backbone.get('in_channels', 3) == 3:
            found.setdefault(backbone.type, name)
    return found


TYPES = first_of_every_type()
PYRAMIDS = {'MobileNetV1': (1, 2, 3, 4), 'VGG': (1, 2, 3, 4), 'DenseNet': (0, 1, 3)}


def test_what_serves_is_named():
    """Every type of the project's configs but Inception-v3, whose maps upstream does not return."""
    assert set(TYPES) == {*SERVED, 'InceptionV3'}


@pytest.mark.parametrize('kind', SERVED)
def test_stages_are_the_backbones_own(kind):
    """Their strides grow, and the pyramid has each of the coarsest once."""
    name = TYPES[kind]
    strides = find_strides(get_config(name).model.backbone, name)
    assert strides == sorted(strides)
    chosen = choose_stages(strides)
    assert chosen == PYRAMIDS.get(kind, tuple(range(len(strides))))
    assert [strides[i] for i in chosen] == sorted(set(strides))[-4:]


def depends(output, body):
    """The parameters of a body on which an output depends."""
    names, values = zip(*body.named_parameters(), strict=True)
    grads = torch.autograd.grad(output.sum(), values, allow_unused=True)
    return {name for name, grad in zip(names, grads, strict=True) if grad is not None}


@pytest.mark.parametrize('kind', ['DenseNet', 'ShuffleNetV1', 'MobileNetV1', 'SEBNInception'])
def test_frozen_stages_freeze_all_before_them(kind):
    """Parameters and running statistics of the stem and a stage, and no others."""
    options = dict(out_indices=(0, 1), norm_eval=False, out_channels=8)
    free = torchvision_backbone(TYPES[kind], frozen_stages=-1, **options)
    first = depends(free.body(torch.randn(2, 3, 64, 64))[0], free.body)
    assert first and all(value.requires_grad for value in free.body.parameters())
    frozen = torchvision_backbone(TYPES[kind], frozen_stages=1, **options).train()
    kept = {name: value.clone() for name, value in frozen.body.named_buffers()}
    frozen(torch.randn(2, 3, 64, 64))
    names = {name for name, value in frozen.body.named_parameters() if not value.requires_grad}
    assert names == first
    modules = {name.rpartition('.')[0] for name in first}
    for name, value in frozen.body.named_buffers():
        if name.endswith('running_mean') and (module := name.rpartition('.')[0]) in modules:
            assert torch.equal(value, kept[name]), module
    assert not all(map(torch.equal, frozen.body.buffers(), kept.values()))


def test_norms_are_kept_in_a_backbone_without_such_an_option():
    backbone = torchvision_backbone(TYPES['DenseNet'], frozen_stages=-1, out_channels=8).train()
    assert not any(
        m.training for m in backbone.body.modules() if isinstance(m, torch.nn.BatchNorm2d)
    )
    assert backbone.fpn.training


@torch.no_grad()
def test_a_backbone_that_classifies_leaves_its_classifier(tmp_path):
    """VGG's checkpoint fits with its classifier, and the detector takes images of any size."""
    model, checkpoint = classifier(TYPES['VGG'], tmp_path)
    body = torchvision_backbone(TYPES['VGG'], checkpoint, (3, 4)).eval().body
    image = torch.randn(1, 3, 96, 64)
    assert not hasattr(body, 'classifier')
    assert torch.equal(body(image)[1], model.backbone.features(image))


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('inception-v3_8xb128-100e_in1k', {}, 'InceptionV3 does not return maps.* allowed: SERes'),
        ('smallcnn_1xb64_digits', {}, r'SmallCNN takes images of 1 channel\(s\); allowed in a d'),
        *(
            ('seresnet18_8xb32_in1k', {'out_indices': value}, 'allowed: a sequence of stages from')
            for value in ((), 3, (0, 4), (-1,), (2, 1), (1, 1), 'ab')
        ),
        ('seresnet18_8xb32_in1k', dict(frozen_stages=5), 'frozen_stages=5 is not known; allowed'),
        ('densenet121_8xb128-100e_in1k', dict(frozen_stages=9), 'frozen_stages=9 is not known'),
        ('seresnet18_8xb32_in1k', dict(out_channels=0), 'out_channels=0; allowed: from 1'),
    ],
)
def test_what_does_not_serve_is_one_line(name, options, message):
    with pytest.raises(ValueError, match=message):
        torchvision_backbone(name, **options)
