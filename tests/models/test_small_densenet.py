import pytest
import torch
from torch import nn
from torchvision.models import DenseNet

from senet_mm.models import SmallDenseNet, insert_se

from .plain import assert_equal, assert_gradients_flow

BC = dict(bottleneck=True, compression=0.5)


def test_bc_equals_torchvision():
    """torchvision's DenseNet with the stem for small images; outputs and all gradients."""
    peer = DenseNet(growth_rate=12, block_config=(4, 4, 4), num_init_features=24)
    peer.features.conv0 = nn.Conv2d(3, 24, 3, padding=1, bias=False)
    for name in ('norm0', 'relu0', 'pool0'):
        setattr(peer.features, name, nn.Identity())
    peer = nn.Sequential(peer.features, nn.ReLU())
    model = SmallDenseNet(28, **BC)
    assert_equal(model, peer, torch.randn(1, 3, 16, 16, dtype=torch.float64), 1e-11)


def test_layers_without_bottleneck_see_all_maps_before_them():
    block, x = SmallDenseNet(10).layer1[0].eval(), torch.randn(1, 16, 8, 8)
    first, second = block.layers
    assert [type(module) for module in first.layers] == [nn.Sequential, nn.Conv2d]
    out = block(x)
    assert torch.equal(out[:, :16], x)
    assert torch.equal(out[:, 16:28], first(x))
    assert torch.equal(out[:, 28:], second(out[:, :28]))


def by_hand(stem, layers, k, bottleneck, compression):
    """Parameters of convolutions and norms, and of a head for 10 classes."""
    count, channels = 3 * stem * 9, stem
    for i in range(3):
        if i:
            kept = int(channels * compression)
            count, channels = count + 2 * channels + channels * kept, kept
        for _ in range(layers):
            count += 2 * channels
            count += channels * 4 * k + 8 * k + 4 * k * k * 9 if bottleneck else channels * k * 9
            channels += k
    return count + 2 * channels + 10 * channels + 10


@pytest.mark.parametrize(
    ('kwargs', 'hand', 'params'),
    [
        (dict(depth=40), (16, 12, 12, False, 1), 1_019_722),
        (dict(depth=40, stem_channels=24), (24, 12, 12, False, 1), None),
        (dict(depth=100, **BC), (24, 16, 12, True, 0.5), 769_162),
        (dict(depth=250, growth_rate=24, **BC), (48, 41, 24, True, 0.5), 15_324_406),
    ],
)
def test_parameters_are_those_of_the_paper(kwargs, hand, params):
    """Table 2: 1.0, 0.8 and 15.3 M."""
    with torch.device('meta'):
        model = SmallDenseNet(**kwargs)
    count = sum(p.numel() for p in model.parameters()) + 10 * model.layer3[-1].out_channels + 10
    assert count == by_hand(*hand)
    assert params in (None, count)


def test_stages():
    maps = SmallDenseNet(10, out_indices=(0, 1, 2)).eval()(torch.rand(1, 3, 32, 16))
    assert [tuple(m.shape[1:]) for m in maps] == [(40, 32, 16), (64, 16, 8), (88, 8, 4)]
    assert not (maps[2] < 0).any()


def test_gradients_flow():
    assert_gradients_flow(SmallDenseNet(16, **BC), torch.randn(2, 3, 16, 16))


def test_dropout_acts_in_training_alone():
    plain, model = SmallDenseNet(10), SmallDenseNet(10, dropout=0.5)
    model.load_state_dict(plain.state_dict())
    x = torch.randn(1, 3, 16, 16)
    assert torch.equal(model.eval()(x)[0], plain.eval()(x)[0])
    assert (model.layer1[0].train()(x.repeat(1, 6, 1, 1)[:, :16])[:, 16:] == 0).float().mean() > 0.3


def test_se_after_every_block_and_transition():
    """In the numbers of the paper a stage is a block and the transition that leads to it."""
    model = SmallDenseNet(10)
    layers = insert_se(model, dict(type='SELayer', ratio=4), position='stage')
    stages = [model.get_submodule(name).acts_at.stage for name in layers]
    assert stages == [2, 3, 3, 4, 4]
    channels = [model.get_submodule(name).fc1.in_channels for name in layers]
    assert channels == [40, 40, 64, 64, 88]


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(depth=41), 'depth=41 with bottleneck=False; allowed: 4 more than a multiple of 3'),
        (
            dict(depth=43, **BC),
            'depth=43 with bottleneck=True; allowed: 4 more than .* of 6',
        ),
        (dict(depth=4), 'depth=4 with'),
        (dict(compression=1.5), 'compression=1.5; allowed: from 0.0625 to 1'),
    ],
)
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SmallDenseNet(**kwargs)
