"""Dilated backbones: undilated weights on a finer grid, and a segmentation network on them."""

import pytest
import torch
import torch.nn.functional as F
from torchvision.models import resnet50
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead

from senet_mm.models import ResNet, insert_se

pytestmark = pytest.mark.slow

STRIDE_8 = dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))


def pair(depth, layer=None, **kwargs):
    """A strided and a dilated network of the same weights, with statistics that matter."""
    strided = ResNet(depth, out_indices=(1, 2, 3), **kwargs)
    dilated = ResNet(depth, out_indices=(1, 2, 3), **kwargs, **STRIDE_8)
    for model in (strided, dilated) if layer else ():
        insert_se(model, layer)
    for name, buffer in strided.named_buffers():
        if 'running' in name:
            buffer.uniform_(0.5, 1.5)
    dilated.load_state_dict(strided.state_dict())
    return strided.double().eval(), dilated.double().eval()


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(depth=18),
        dict(depth=50),
        dict(depth=50, block=dict(style='caffe'), stem=dict(pool='ceil')),
        dict(depth=50, layer=dict(type='SELayer', squeeze_cfg=dict(type='NoSqueeze'))),
    ],
    ids=str,
)
@torch.no_grad()
def test_every_other_value_is_that_of_the_strided_network(kwargs):
    """Exactly, border included, where no gate averages over the map."""
    strided, dilated = pair(**kwargs)
    image = torch.randn(1, 3, 96, 96, dtype=torch.float64)
    for step, a, b in zip((1, 2, 4), strided(image), dilated(image), strict=True):
        assert b.shape[-1] == 12
        torch.testing.assert_close(b[..., ::step, ::step], a)


@torch.no_grad()
def test_equals_torchvision():
    theirs = resnet50(replace_stride_with_dilation=(False, True, True)).eval()
    ours = ResNet(50, **STRIDE_8).eval()
    weights = theirs.state_dict()
    ours.load_state_dict({name: weights[name] for name in ours.state_dict()})
    image = torch.randn(1, 3, 64, 64)
    x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(image))))
    x = theirs.layer4(theirs.layer3(theirs.layer2(theirs.layer1(x))))
    torch.testing.assert_close(ours(image)[0], x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('option', ['strides', 'dilations'])
def test_a_value_for_each_stage(option):
    with pytest.raises(ValueError, match=rf'{option}=\(1, 2\) has 2 values; allowed: 4, one for'):
        ResNet(50, **{option: (1, 2)})


@pytest.mark.parametrize('head', [FCNHead, DeepLabHead])
def test_segmentation_learns(head):
    """torchvision's heads on an SE backbone of stride 8 learn where a bright square is."""
    backbone = ResNet(18, **STRIDE_8)
    insert_se(backbone, dict(type='SELayer', ratio=16))
    backbone.init_weights()
    network = torch.nn.ModuleList([backbone, head(512, 2)])
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    images = 0.1 * torch.randn(4, 3, 64, 64)
    labels = torch.zeros(4, 64, 64, dtype=torch.long)
    for i in range(4):
        labels[i, 8 * i : 8 * i + 24, 8 : 8 + 8 * (i + 1)] = 1
    images += labels[:, None]
    for _ in range(25):
        [features] = backbone(images)
        assert features.shape == (4, 512, 8, 8)
        logits = F.interpolate(network[1](features), size=64, mode='bilinear')
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (logits.argmax(1) == labels).float().mean() > 0.95
