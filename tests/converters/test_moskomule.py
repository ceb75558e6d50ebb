"""Networks as in moskomule/senet.pytorch, rebuilt here, against ours with their weights."""

import os

import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from senet_mm.apis import get_model
from senet_mm.converters.formats import MOSKOMULE
from senet_mm.converters.target import Target
from senet_mm.converters.tensor_files import read_tensors
from senet_mm.engine import load_from_local

from .parity import convert, difference, image, randomise

NO_BIAS = 'model.se.layer.bias=False'
SMALL = ('--cfg-options', NO_BIAS, 'model.backbone.block.downsample=conv1x1')
OWN = 'seresnet20-moskomule_1xb64_cifar10'


class Gated(nn.Module):
    """A map times a gate of itself; the two layers have no biases, and the names ``fc.0/2``."""

    def __init__(self, channels: int, ratio: int = 16) -> None:
        super().__init__()
        hidden = channels // ratio
        first, second = nn.Linear(channels, hidden, False), nn.Linear(hidden, channels, False)
        self.fc = nn.Sequential(first, nn.ReLU(), second, nn.Sigmoid())

    def forward(self, x):
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class GatedBasicBlock(BasicBlock):
    def __init__(self, inplanes, planes, *args, **kwargs):
        super().__init__(inplanes, planes, *args, **kwargs)
        self.se = Gated(planes)

    def forward(self, x):
        y = self.se(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class GatedBottleneck(Bottleneck):
    def __init__(self, inplanes, planes, *args, **kwargs):
        super().__init__(inplanes, planes, *args, **kwargs)
        self.se = Gated(4 * planes)

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.se(self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y))))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class SmallNetwork(nn.Module):
    """For CIFAR-10: three stages of 16, 32, 64 channels; 1x1 shortcuts where these change."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        before = 16
        for i, width in enumerate((16, 32, 64), start=1):
            stage = nn.Sequential()
            for _ in range(blocks):
                stride, shortcut = 1, None
                if width != before:
                    conv = nn.Conv2d(before, width, 1, 2, bias=False)
                    stride, shortcut = 2, nn.Sequential(conv, nn.BatchNorm2d(width))
                stage.append(GatedBasicBlock(before, width, stride, shortcut))
                before = width
            self.add_module(f'layer{i}', stage)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


NETWORKS = {
    'se_resnet20': (lambda: SmallNetwork(3), 32, OWN, ()),
    'se_resnet18': (
        lambda: ResNet(GatedBasicBlock, [2, 2, 2, 2]),
        64,
        'seresnet18_8xb32_in1k',
        ('--cfg-options', NO_BIAS),
    ),
    'se_resnet50': (
        lambda: ResNet(GatedBottleneck, [3, 4, 6, 3]),
        64,
        'seresnet50_8xb32_in1k',
        ('--cfg-options', NO_BIAS),
    ),
}


@pytest.fixture(scope='module', params=NETWORKS.values(), ids=NETWORKS)
def case(request, tmp_path_factory):
    """A network with random weights and its file, and the file and the config of ours."""
    build, side, config, options = request.param
    folder = tmp_path_factory.mktemp('theirs')
    network = randomise(build(), image(side, batch=2))
    torch.save({'model': network.state_dict(), 'epoch': 3}, folder / 'net.pkl')
    convert('moskomule', folder / 'net.pkl', folder / 'ours.pth', config, *options)
    return network, side, config, folder, options


@pytest.mark.slow
def test_logits(case):
    network, side, _, folder, _ = case
    ours = get_model(checkpoint=folder / 'ours.pth')
    assert difference(ours, network, image(side)) < 1e-4
    assert difference(ours, network, image(side).double()) < 1e-9


@pytest.mark.slow
def test_there_and_back(case):
    network, _, config, folder, options = case
    convert('moskomule', folder / 'ours.pth', folder / 'b.pth', config, *options, '--reverse')
    back = read_tensors(folder / 'b.pth')
    assert back.keys() == network.state_dict().keys()
    assert all(torch.equal(back[key], value) for key, value in network.state_dict().items())


def images_of(case):
    return load_from_local(str(case[3] / 'ours.pth'))['meta']['preprocessing']


@pytest.mark.slow
def test_images(case):
    """His data sets are torchvision's; those of CIFAR-10 have other numbers than ours."""
    found = images_of(case)
    if case[2].startswith('seresnet20'):
        assert found['mean'] == [125.307, 122.961, 113.8575]
        assert (found['resize'], found['crop']) == (None, None)
    else:
        assert found['mean'] == [123.675, 116.28, 103.53]
        assert (found['resize'], found['crop'], found['backend']) == (256, 224, 'pillow')
    assert found['channel_order'] == 'RGB'


def small_file(folder):
    torch.save(SmallNetwork(3).state_dict(), folder / 'net.pkl')
    return folder / 'net.pkl'


REFUSED = {
    'a network with biases': (
        'seresnet20_8xb16_cifar10',
        SMALL[:1] + SMALL[2:],
        r'18 missing \(layer1.0.se.fc.0.bias, ',
    ),
    'shortcuts without weights': (
        'seresnet20_8xb16_cifar10',
        SMALL[:2],
        r'unexpected \(layer2.0.downsample.0.weight, ',
    ),
    'another network': ('seresnet18_8xb32_in1k', SMALL[:2], r'89 of another shape \(bn1.bias '),
}


@pytest.mark.parametrize(('config', 'options', 'message'), REFUSED.values(), ids=REFUSED)
def test_networks_that_are_not_his(config, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        convert('moskomule', small_file(tmp_path), tmp_path / 'o.pth', config, *options)
    assert not (tmp_path / 'o.pth').exists()


def test_other_norms_are_seen():
    """An eps changes the logits, but neither a name nor a shape."""
    for eps in (1e-5, 1e-3):
        options = {'model.backbone.norm_cfg': dict(type='BN', eps=eps)}
        target = Target('seresnet20_8xb16_cifar10', options=options)
        assert target.does(target.geometry_in(MOSKOMULE)) == (eps == MOSKOMULE.eps)


def test_his_file_in_the_place_of_ours(tmp_path):
    with pytest.raises(ValueError, match=r'it is a file of moskomule; allowed: what python tools/'):
        get_model('seresnet20_8xb16_cifar10', small_file(tmp_path))


def test_a_file_that_runs_something(tmp_path):
    """A pickle is a program: it is refused, not run."""

    class Runs:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'ran'),)

    torch.save({'model': SmallNetwork(3).state_dict(), 'x': Runs()}, tmp_path / 'net.pkl')
    with pytest.raises(ValueError, match='mkdir'):
        convert('moskomule', tmp_path / 'net.pkl', tmp_path / 'o.pth', 'seresnet20_8xb16_cifar10')
    assert not (tmp_path / 'ran').exists()
