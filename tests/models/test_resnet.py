import itertools

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from mmpretrain.models import backbones as mmpretrain
from torch import nn

from senet_mm.models import (
    ImageClassifier,
    ResNet,
    ResNeXt,
    SELayer,
    SENet,
    SEResNet,
    SEResNeXt,
    insert_se,
)

from .plain import disturb

PEERS = [
    pytest.param(ours, peer, depth, style, id=f'{peer.__name__}-{depth}-{style}')
    for ours, peer, depths, styles in (
        (SEResNet, mmpretrain.SEResNet, (50, 101, 152), ('pytorch', 'caffe')),
        (SEResNeXt, mmpretrain.SEResNeXt, (50, 101), ('pytorch',)),
    )
    for depth in depths
    for style in styles[: 1 if depth == 152 else 2]
]


def with_se_layers(model):
    """Our network with the paper's SE, as configs make it."""
    insert_se(model, dict(type='SELayer', ratio=16))
    return model


def to_mmpretrain(name):
    for fc in '12':
        name = name.replace(f'.se.fc{fc}.', f'.se_layer.conv{fc}.conv.')
    return name


def run(model, x):
    model.zero_grad()
    out = model(x)[-1]
    # A fixed weighting keeps the loss from being symmetric in the channels.
    (out * torch.linspace(-1, 1, out[0].numel(), dtype=out.dtype).view_as(out[0])).mean().backward()
    return out.detach(), {name: p.grad for name, p in model.named_parameters()}


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.slow
@pytest.mark.parametrize(('ours', 'peer', 'depth', 'style'), PEERS)
def test_equals_mmpretrain(ours, peer, depth, style):
    """Outputs and gradients with the same weights, in training and evaluation."""
    a, b = disturb(ours(depth, style=style)), peer(depth, style=style)
    b.load_state_dict({to_mmpretrain(name): value for name, value in a.state_dict().items()})
    x = torch.randn(2, 3, 64, 64)
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        for mode in (False, True):
            for model in (a, b):
                model.to(dtype).train(mode)
            (out_a, grads_a), (out_b, grads_b) = run(a, x.to(dtype)), run(b, x.to(dtype))
            assert relative(out_a, out_b) < tolerance
            for name, grad in grads_a.items():
                assert relative(grad, grads_b[to_mmpretrain(name)]) < tolerance, name


@pytest.mark.parametrize(
    ('model', 'peer'),
    [
        (lambda: ResNet(18), torchvision.models.resnet18),
        (lambda: ResNet(50), torchvision.models.resnet50),
        (lambda: ResNeXt(50), torchvision.models.resnext50_32x4d),
    ],
)
def test_plain_network_has_torchvision_names(model, peer):
    model, peer = disturb(model()).eval(), peer().eval()
    state = peer.state_dict()
    assert list(model.state_dict()) == [name for name in state if not name.startswith('fc')]
    peer.load_state_dict(model.state_dict(), strict=False)
    peer.avgpool, peer.fc = nn.Identity(), nn.Identity()
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(model(x)[-1].flatten(1), peer(x), rtol=0, atol=0)


def test_se_keys_are_the_only_new_ones():
    plain, se = ResNet(50).state_dict(), with_se_layers(ResNet(50)).state_dict()
    new = [name for name in se if name not in plain]
    assert [name for name in se if name in plain] == list(plain)
    assert len(new) == 16 * 4
    assert all('.se.fc1.' in name or '.se.fc2.' in name for name in new)


@pytest.mark.slow
def test_senet154_equals_timm():
    """The whole data of the SENet variant: stem, halved 1x1, groups, 3x3 projection, ceil pool."""
    ours = disturb(SENet(stem=dict(pool='ceil'))).double().eval()
    peer = timm.create_model('legacy_senet154', num_classes=0, global_pool='').double().eval()
    names = dict(zip(peer.state_dict(), ours.state_dict(), strict=True))
    peer.load_state_dict({name: ours.state_dict()[own] for name, own in names.items()})
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        assert relative(ours(x)[-1], peer(x)) < 1e-12


@pytest.mark.parametrize('depth', [8, 18, 50])
def test_out_indices(depth):
    model = ResNet(depth, out_indices=(0, 1, 2)).eval()
    maps = model(torch.randn(1, 3, 64, 64))
    channels = [stage[0][-1].out_channels for stage in model.stages[:3]]
    assert [m.shape[1] for m in maps] == channels
    assert [maps[0].shape[2] // m.shape[2] for m in maps] == [1, 2, 4]


@pytest.mark.parametrize('downsample', ['conv1x1', 'conv3x3', 'avg_pool', 'pad', 'avg_pool_pad'])
@pytest.mark.parametrize('size', [64, 57])
def test_every_shortcut_fits(downsample, size):
    model = ResNet(50, block=dict(downsample=downsample)).eval()
    assert model(torch.randn(1, 3, size, size))[-1].shape[1:] == (2048, 2, 2)


def test_pad_shortcut_is_the_subsampled_input():
    block = ResNet(20).layer2[0].eval()
    x = torch.randn(1, 16, 8, 8)
    shortcut = block.downsample(x)
    assert torch.equal(shortcut[:, 8:24], x[:, :, ::2, ::2])
    assert shortcut[:, :8].abs().sum() == shortcut[:, 24:].abs().sum() == 0


def test_pad_shortcut_of_averages():
    block = ResNet(20, block=dict(downsample='avg_pool_pad')).layer2[0].eval()
    x = torch.randn(1, 16, 8, 8)
    shortcut = block.downsample(x)
    means = x.view(1, 16, 4, 2, 4, 2).mean((3, 5))
    torch.testing.assert_close(shortcut[:, 8:24], means)
    assert shortcut[:, :8].abs().sum() == shortcut[:, 24:].abs().sum() == 0


TAKI = dict(constant_width=True, expansion=1, downsample='avg_pool_pad')


def by_branches(state, x, cardinality=8):
    """The blocks of taki0112/SENet-Tensorflow: every branch has convolutions of its own."""

    def conv_norm(name, x, rows, **kwargs):
        x = F.conv2d(x, state[f'{name[0]}.weight'][rows], **kwargs)
        stats = (state[f'{name[1]}.{key}'][rows] for key in ('running_mean', 'running_var'))
        affine = (state[f'{name[1]}.{key}'][rows] for key in ('weight', 'bias'))
        return F.batch_norm(x, *stats, *affine)

    every = slice(None)
    x = F.relu(conv_norm(('conv1', 'bn1'), x, every, padding=1))
    for stage, block in itertools.product((1, 2, 3), range(3)):
        name, stride = f'layer{stage}.{block}', 2 if stage > 1 and block == 0 else 1
        branches = []
        for rows in (slice(64 * i, 64 * (i + 1)) for i in range(cardinality)):
            y = F.relu(conv_norm((f'{name}.conv1', f'{name}.bn1'), x, rows))
            names = f'{name}.conv2', f'{name}.bn2'
            branches.append(F.relu(conv_norm(names, y, rows, stride=stride, padding=1)))
        y = conv_norm((f'{name}.conv3', f'{name}.bn3'), torch.cat(branches, 1), every)
        if stride == 2:
            half = x.shape[1] // 2
            x = F.pad(F.avg_pool2d(x, 2), (0, 0, 0, 0, half, half))
        x = F.relu(x + y)
    return x


def test_resnext_of_constant_width_equals_its_branches():
    model = disturb(ResNeXt(29, block=TAKI)).double().eval()
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        assert relative(model(x)[-1], by_branches(model.state_dict(), x)) < 1e-12
    widths = [(block.conv2.out_channels, block.out_channels) for block in model.blocks]
    assert widths == [(512, 64)] * 3 + [(512, 128)] * 3 + [(512, 256)] * 3


@pytest.mark.parametrize('depth', [18, 34])
def test_a_projection_in_the_first_block_alone(depth):
    """One of 64 x 64 weights and its norm more than in torchvision's network."""
    with torch.device('meta'):
        model = ResNet(depth, block=dict(project_first=True))
        plain = ResNet(depth)
    assert set(model.state_dict()) - set(plain.state_dict()) >= {'layer1.0.downsample.0.weight'}
    counts = [sum(p.numel() for p in m.parameters()) for m in (model, plain)]
    assert counts[0] - counts[1] == 64 * 64 + 2 * 64
    kept = ResNet(50, block=dict(project_first=True)).state_dict()
    assert list(kept) == list(ResNet(50).state_dict())


def test_checkpointing_changes_nothing():
    """Activation checkpointing: same outputs, gradients and running statistics."""
    plain = with_se_layers(ResNet(18))
    checkpointed = with_se_layers(ResNet(18, block=dict(with_cp=True)))
    checkpointed.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 64, 64)
    (out_a, grads_a), (out_b, grads_b) = run(plain, x), run(checkpointed, x)
    assert torch.equal(out_a, out_b)
    assert all(torch.equal(grads_a[name], grads_b[name]) for name in grads_a)


def test_drop_path_drops_whole_residual_branches():
    model = with_se_layers(ResNet(18, drop_path_rate=0.5)).train()
    rates = [getattr(block.drop_path, 'drop_prob', 0) for block in model.blocks]
    assert rates == pytest.approx([0.5 * i / 7 for i in range(8)])
    block, x = model.blocks[-1], torch.rand(400, 512, 2, 2)
    kept = (block(x) != x).flatten(1).any(1)
    assert 150 < kept.sum() < 250
    assert (block.eval()(x) != x).flatten(1).any(1).all()


def test_zero_init_makes_blocks_identities():
    model = with_se_layers(ResNet(50, block=dict(zero_init_residual=True)))
    model.init_weights()
    block, x = model.layer1[1].eval(), torch.rand(1, 256, 4, 4)
    assert torch.equal(block(x), x)


def test_init_is_he_with_fan_in():
    model = with_se_layers(ResNeXt(50))
    model.init_weights()
    conv = model.layer4[1].conv2  # grouped: fan-in 32 * 9, fan-out 1024 * 9
    assert conv.weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.02)
    assert model.layer4[1].se.fc1.bias.abs().sum() == 0


@pytest.mark.parametrize('frozen', [-1, 0, 2, 4])
def test_frozen_stages(frozen):
    model = SEResNet(18, frozen_stages=frozen).train()
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    stem = any(name.startswith(('conv1', 'bn1')) for name in trainable)
    stages = {int(name[5]) for name in trainable if name.startswith('layer')}
    assert stem == (frozen < 0)
    assert stages == set(range(max(frozen, 0) + 1, 5))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(torch.randn(4, 3, 64, 64))
    changed = {name for name, value in model.state_dict().items() if (value != before[name]).any()}
    assert {int(name[5]) for name in changed if name.startswith('layer')} == stages


def test_norm_eval_keeps_statistics():
    model = ResNet(18, norm_eval=True).train()
    before = {name: value.clone() for name, value in model.named_buffers()}
    model(torch.randn(4, 3, 64, 64))
    assert all(torch.equal(before[name], value) for name, value in model.named_buffers())
    assert model.layer1[0].training


def test_classifier_puts_se_into_a_plain_backbone():
    """One line of config gives the very network that the backbone's own argument gives."""
    by_line = ImageClassifier(
        dict(type='ResNet', depth=18), se=dict(layer=dict(type='SELayer', ratio=8))
    )
    by_argument = SEResNet(18, se=dict(layer=dict(type='SELayer', ratio=8)))
    assert list(by_line.backbone.state_dict()) == list(by_argument.state_dict())
    assert all(isinstance(block.se, SELayer) for block in by_line.backbone.blocks)


@pytest.mark.parametrize(
    ('backbone', 'message'),
    [
        (
            dict(type='SEResNet', depth=18),
            'block layer1.0 has a layer at layer1.0.se already, where position='
            "'standard' would put one",
        ),
        (
            dict(type='AlexNet'),
            'AlexNet has no block that the table of ports knows; allowed: a port',
        ),
    ],
)
def test_se_that_cannot_be_put_in(backbone, message):
    with pytest.raises(ValueError, match=message):
        ImageClassifier(backbone, se=dict(layer=dict(type='SELayer')))


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(depth=51), 'depth=51 is not known; allowed: 8, 18, 20'),
        (
            dict(depth=50, block=dict(style='tf')),
            "style='tf' is not known; allowed: pytorch",
        ),
        (
            dict(depth=50, block=dict(downsample='max')),
            "downsample='max' is not known; allowed: conv1x1",
        ),
        (
            dict(depth=50, block=dict(styles='tf')),
            "'styles' is not known; did you mean 'style'",
        ),
        (
            dict(depth=50, stem=dict(pools='ceil')),
            "'pools' is not known; did you mean 'pool'",
        ),
        (dict(depth=50, stem=dict(pool='same')), "stem pool='same' is not known; allowed: None"),
        (dict(depth=50, out_indices=(4,)), 'out_indices=4 is not known; allowed: -4'),
        (dict(depth=50, frozen_stages=5), 'frozen_stages=5 is not known; allowed: -1, 0'),
        (
            dict(depth=18, block=dict(groups=32)),
            'groups=32: for bottlenecks alone',
        ),
    ],
)
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ResNet(**kwargs)
