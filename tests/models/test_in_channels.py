"""Which convolutions see the image, and networks for images of other channels."""

import pytest
import timm
import torch
from mmpretrain.models import MobileNetV2
from torch import nn

from senet_mm.apis import get_config
from senet_mm.engine.classifier import build_classifier
from senet_mm.models.in_channels import exchange_stem, find_stem, get_in_channels, set_in_channels

# A config of every kind of stem.
NETWORKS = [
    'densenet121_8xb128-100e_in1k',
    'inception-v3_8xb128-100e_in1k',
    'inception-v4_8xb128-100e_in1k',
    'resnet8_1xb64_digits',
    'se-bn-inception_8xb128-100e_in1k',
    'semobilenetv1_8xb32_in1k',
    'senet154_8xb32_in1k',
    'seresnet18_8xb32_in1k',
    'seresnet50-caffe_8xb32_in1k',
    'seshakeshake26-2x96d_2xb64_cifar10',
    'seshufflenetv1-1x-g3_8xb32_in1k',
    'sesmallcnn_1xb128_cifar10',
    'sevgg16_8xb128-100e_in1k',
]


def build(model):
    with torch.device('meta'):
        cfg = get_config('resnet8_1xb64_digits')
        cfg.model = model
        cfg.data_preprocessor = cfg.input_shape = None
        return build_classifier(cfg)


@pytest.mark.parametrize('name', NETWORKS)
def test_every_network_takes_other_channels(name):
    """Its stem is the one weight whose shape changes, and it runs."""
    channels = 4
    model = get_config(name).model
    model.pop('train_cfg', None)
    before = build(model)
    set_in_channels(model, channels)
    assert get_in_channels(model) == channels
    after = build(model)
    shapes, others = ({k: v.shape for k, v in m.state_dict().items()} for m in (before, after))
    [stem] = find_stem(before)
    assert find_stem(after) == [stem]
    assert shapes.keys() == others.keys()
    changed = {name for name in shapes if shapes[name] != others[name]}
    assert changed == {f'{stem}.weight'}
    assert others[f'{stem}.weight'][1] == channels


STEMS = {
    'resnet10t': 'conv1.0',
    'legacy_senet154': 'layer0.conv1',
    'mobilenetv3_small_050': 'conv_stem',
    'densenet121': 'features.conv0',
}


@pytest.mark.parametrize('name', STEMS)
def test_networks_of_timm(name):
    with torch.device('meta'):
        assert find_stem(timm.create_model(name, in_chans=2)) == [STEMS[name]]


class TwoStems(nn.Module):
    """Registers its stems last; one of them sees a padded image."""

    def __init__(self, padded):
        super().__init__()
        self.later = nn.Conv2d(8, 4, 1)
        self.one, self.other = nn.Conv2d(5, 4, 3), nn.Conv2d(5, 4, 3)
        self.pad = nn.ZeroPad2d(1) if padded else nn.Identity()

    def forward(self, x):
        x = self.pad(x)
        return self.later(torch.cat([self.one(x), self.other(x)], 1))


@pytest.mark.parametrize(('padded', 'stem'), [(False, ['one', 'other']), (True, ['one'])])
def test_all_that_see_the_image(padded, stem):
    assert find_stem(TwoStems(padded)) == stem


def test_a_backbone_without_an_argument_for_it():
    network = MobileNetV2(init_cfg=None)
    others = {k: v for k, v in network.state_dict().items() if k != 'conv1.conv.weight'}
    exchange_stem(network, 2)
    assert network(torch.rand(2, 2, 32, 32))[0].shape[0] == 2
    after = network.state_dict()
    assert after.pop('conv1.conv.weight').shape == (32, 2, 3, 3)
    assert all(torch.equal(others[k], after[k]) for k in others)
    assert others.keys() == after.keys()


@pytest.mark.parametrize('network', [nn.Linear(3, 3), nn.Conv2d(3, 3, 1, groups=3)])
def test_networks_that_cannot(network):
    with pytest.raises(ValueError, match=r'in_channels=1: (Linear|Conv2d) has no convolution that'):
        exchange_stem(network, 1)
    with pytest.raises(ValueError, match=r'in_channels=0; allowed: whole numbers from 1'):
        exchange_stem(network, 0)
