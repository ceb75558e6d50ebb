"""Which backbones of the project serve in a detector, and what of them is frozen."""

import pytest
import torch

from senet_mm import list_models
from senet_mm.apis import get_config
from senet_mm.detection import torchvision_backbone
from senet_mm.detection.stages import SERVED_BACKBONES, choose_stages, find_strides

from .test_backbone import classifier

pytestmark = pytest.mark.slow


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
    assert set(TYPES) == {*SERVED_BACKBONES, 'InceptionV3'}


@pytest.mark.parametrize('kind', SERVED_BACKBONES)
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


@pytest.mark.parametrize('kind', ['DenseNet', 'ShuffleNetV1', 'MobileNetV1', 'BNInception'])
def test_frozen_stages_freeze_all_before_them(kind):
    """Parameters and running statistics of the stem and a stage, and no others."""
    options = dict(out_indices=(0, 1), norm_eval=False, out_channels=8)
    free = torchvision_backbone(TYPES[kind], frozen_stages=-1, **options)
    first = depends(free.body(torch.randn(2, 3, 64, 64))[0], free.body)
    assert first
    assert all(value.requires_grad for value in free.body.parameters())
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
        ('inception-v3_8xb128-100e_in1k', {}, 'InceptionV3 does not return maps.* allowed: ResNet'),
        ('smallcnn_1xb64_digits', {}, r'SmallCNN takes images of 1 channel; allowed in a d'),
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
