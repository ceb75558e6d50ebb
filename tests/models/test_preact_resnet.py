import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from timm.models.resnetv2 import ResNetV2
from torch import nn

from senet_mm.models import PreActResNet, ResNeXt, WideResNet

from .plain import assert_gradients_flow, complexity, disturb


def timm_resnet164():
    """timm's pre-activation ResNet with the geometry of the CIFAR network."""
    peer = ResNetV2(
        [18] * 3, [64, 128, 256], num_classes=0, global_pool='', stem_chs=16, bottle_ratio=0.25,
        norm_layer='batchnorm2d', conv_layer=nn.Conv2d,
    )  # fmt: skip
    peer.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
    for module in peer.modules():
        if isinstance(module, nn.Conv2d):
            module.bias = None
    for stage in peer.stages:
        for block in stage.blocks:
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
            block.conv2.padding = (1, 1)
    return peer


def by_formula(state, x, convs, blocks):
    """A pre-activation network from its state dict, as the papers' equations say."""

    def norm_relu(name, x):
        stats = (state[f'{name}.0.{key}'] for key in ('running_mean', 'running_var'))
        affine = (state[f'{name}.0.{key}'] for key in ('weight', 'bias'))
        return F.relu(F.batch_norm(x, *stats, *affine))

    x = F.conv2d(x, state['stem.weight'], padding=1)
    for stage in range(3):
        for block in range(blocks):
            name, stride = f'layer{stage + 1}.{block}', 2 if stage and not block else 1
            y = norm_relu(f'{name}.preact', x)
            projection = state.get(f'{name}.downsample.weight')
            x = x if projection is None else F.conv2d(y, projection, stride=stride)
            for i in range(convs):
                if i:
                    y = norm_relu(f'{name}.residual.{2 * i - 1}', y)
                weight = state[f'{name}.residual.{2 * i}.weight']
                y = F.conv2d(y, weight, None, 1 if i else stride, weight.shape[-1] // 2)
            x = x + y
    return norm_relu('tail', x)


def test_resnet164_equals_timm():
    model, peer = disturb(PreActResNet(164)).double().eval(), timm_resnet164().double().eval()
    names = {}
    for name in peer.state_dict():
        own = name.replace('.blocks', '').replace('downsample.conv', 'downsample')
        for i, part in enumerate(('layer1', 'layer2', 'layer3')):
            own = own.replace(f'stages.{i}', part).replace(f'.conv{i + 1}', f'.residual.{2 * i}')
        for i, part in enumerate(('preact', 'residual.1', 'residual.3')):
            own = own.replace(f'.norm{i + 1}', f'.{part}.0')
        names[name] = own.replace('norm.', 'tail.0.')
    state = model.state_dict()
    assert sorted(names.values()) == sorted(state)
    peer.load_state_dict({name: state[own] for name, own in names.items()})
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        ours, theirs = model(x)[-1], peer(x)
    assert ((ours - theirs).norm() / theirs.norm()).item() < 1e-12


def test_resnet50_equals_timm():
    """timm has the first norm behind the pooling, which changes nothing as its gain is positive."""
    model = disturb(PreActResNet(50)).double().eval()
    peer = timm.create_model('resnetv2_50', num_classes=0, global_pool='').double().eval()
    names = {}
    for name in peer.state_dict():
        own = name.replace('.blocks', '').replace('downsample.conv', 'downsample')
        own = own.replace('stages.0.0.norm1', 'stem.bn')
        for i in range(4):
            own = own.replace(f'stages.{i}', f'layer{i + 1}')
        for i, part in enumerate(('preact', 'residual.1', 'residual.3')):
            own = own.replace(f'.norm{i + 1}', f'.{part}.0').replace(
                f'.conv{i + 1}', f'.residual.{2 * i}'
            )
        names[name] = f'tail.0{own[4:]}' if own.startswith('norm.') else own
    state = model.state_dict()
    assert sorted(names.values()) == sorted(state)
    peer.load_state_dict({name: state[own] for name, own in names.items()})
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        ours, theirs = model(x)[-1], peer(x)
    assert ((ours - theirs).norm() / theirs.norm()).item() < 1e-12


# The norms of the shortcuts, of 128, 256 and 512 channels, or of 256 to 2048.
NORMS = dict.fromkeys((18, 34), 2 * (128 + 256 + 512))
NORMS |= dict.fromkeys((50, 101, 152), 2 * (256 + 512 + 1024 + 2048))


@pytest.mark.parametrize('depth', NORMS)
def test_parameters_are_torchvisions_less_the_norms_of_the_shortcuts(depth):
    """The other norms move from behind a convolution to before the next one."""
    with torch.device('meta'):
        model = PreActResNet(depth)
        peer = getattr(torchvision.models, f'resnet{depth}')()
    count, theirs = (sum(p.numel() for p in m.parameters()) for m in (model, peer))
    assert count + sum(p.numel() for p in peer.fc.parameters()) == theirs - NORMS[depth]


@pytest.mark.parametrize(('depth', 'blocks'), [(200, (3, 24, 36, 3)), (269, (3, 30, 48, 8))])
def test_parameters_of_the_deep_ones_are_counted_by_hand(depth, blocks):
    """A block is 17 p^2 weights of its own shape; the first of a stage differs by its input."""
    count, channels = 3 * 64 * 49 + 128, 64
    for planes, number in zip((64, 128, 256, 512), blocks, strict=True):
        convs = planes * (channels + 9 * planes + 4 * planes) + channels * 4 * planes
        convs += (number - 1) * 17 * planes**2
        norms = 2 * (channels + (number - 1) * 4 * planes + number * 2 * planes)
        count += convs + norms
        channels = 4 * planes
    count += 2 * channels - 2 * 64  # the last norm; the first block has none
    with torch.device('meta'):
        model = PreActResNet(depth)
    assert sum(p.numel() for p in model.parameters()) == count


def test_basic_blocks_for_imagenet_equal_the_formula():
    model = disturb(PreActResNet(18)).double().eval()
    state, x = model.state_dict(), torch.randn(1, 3, 64, 64, dtype=torch.float64)

    def norm_relu(name, x):
        stats = (state[f'{name}.{key}'] for key in ('running_mean', 'running_var'))
        affine = (state[f'{name}.{key}'] for key in ('weight', 'bias'))
        return F.relu(F.batch_norm(x, *stats, *affine))

    with torch.no_grad():
        y = norm_relu('stem.bn', F.conv2d(x, state['stem.conv.weight'], stride=2, padding=3))
        y = F.max_pool2d(y, 3, 2, 1)
        for stage in range(1, 5):
            for block in range(2):
                name, stride = f'layer{stage}.{block}', 2 if stage > 1 and not block else 1
                active = norm_relu(f'{name}.preact.0', y) if (stage, block) != (1, 0) else y
                z = F.conv2d(active, state[f'{name}.residual.0.weight'], None, stride, 1)
                z = norm_relu(f'{name}.residual.1.0', z)
                z = F.conv2d(z, state[f'{name}.residual.2.weight'], padding=1)
                if stride == 2:
                    y = F.conv2d(active, state[f'{name}.downsample.weight'], stride=2)
                y = y + z
        torch.testing.assert_close(model(x)[-1], norm_relu('tail.0', y), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ('model', 'convs', 'blocks'),
    [
        (lambda: PreActResNet(110), 2, 18),
        (lambda: PreActResNet(164), 3, 18),
        (lambda: WideResNet(16, 2), 2, 2),
    ],
)
def test_equals_the_formula(model, convs, blocks):
    model = disturb(model()).double().eval()
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        expected = by_formula(model.state_dict(), x, convs, blocks)
        torch.testing.assert_close(model(x)[-1], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ('model', 'channels', 'params'),
    [
        (lambda: PreActResNet(110), 64, 1_730_522),
        (lambda: PreActResNet(164), 256, 1_703_258),
        (lambda: PreActResNet(1001), 256, 10_327_706),
        (lambda: WideResNet(16, 8), 512, 10_961_370),
        (lambda: WideResNet(28, 10), 640, 36_479_194),
        (lambda: WideResNet(40, 4), 256, 8_949_210),
        (lambda: ResNeXt(29, block=dict(groups=8)), 1024, 34_426_698),
        (lambda: ResNeXt(29, block=dict(groups=16)), 1024, 68_155_210),
    ],
)
def test_parameters_are_the_published_ones(model, channels, params):
    """Papers: 1.7 and 10.2 M; 11.0, 36.5 and 8.9 M; 34.4 and 68.1 M."""
    backbone = model()
    count = sum(p.numel() for p in backbone.parameters()) + 10 * channels + 10
    assert count == params


def test_multiply_adds_of_wrn_16_8():
    """By hand: the convolutions of each stage but the first of two have 151 million each."""
    conv, head = 128 * 128 * 9 * 32**2, 512 * 10
    first = 3 * 16 * 9 * 32**2 + 16 * 128 * (9 + 1) * 32**2 + 3 * conv
    later = conv // 2 + 128 * 256 * 16**2 + 3 * conv
    assert complexity(WideResNet(), 512, 10, 32)[1] == first + 2 * later + head == 1_548_145_664


@pytest.mark.parametrize('depth', [110, 164])
def test_stages(depth):
    maps = PreActResNet(depth, out_indices=(0, 1, 2), in_channels=1).eval()(
        torch.rand(1, 1, 32, 16)
    )
    widths = (16, 32, 64) if depth == 110 else (64, 128, 256)
    assert [tuple(m.shape[1:]) for m in maps] == [
        (width, 32 // stride, 16 // stride) for width, stride in zip(widths, (1, 2, 4), strict=True)
    ]
    assert (maps[0] < 0).any()
    assert not (maps[2] < 0).any()


def test_stages_for_imagenet():
    maps = PreActResNet(18, out_indices=(0, 1, 2, 3)).eval()(torch.rand(1, 3, 64, 96))
    shapes = [(64 * 2**i, 16 // 2**i, 24 // 2**i) for i in range(4)]
    assert [tuple(m.shape[1:]) for m in maps] == shapes
    assert not (maps[3] < 0).any()


@pytest.mark.parametrize('model', [lambda: PreActResNet(164), lambda: WideResNet(16, 2)])
def test_gradients_flow(model):
    assert_gradients_flow(model(), torch.randn(2, 3, 32, 32))


def test_dropout_acts_in_training_alone():
    block, x = WideResNet(16, 1, dropout=0.3).layer1[1], torch.randn(1, 16, 8, 8)
    assert isinstance(block.residual[2], nn.Dropout)
    assert block.residual[2].p == 0.3
    block.preact.eval()
    assert not torch.equal(block.train()(x), block(x))
    assert torch.equal(block.eval()(x), block(x))
    plain = WideResNet(16, 1).layer1[1]
    assert not any(isinstance(module, nn.Dropout) for module in plain.modules())


def test_the_residual_is_what_is_added():
    block, x = PreActResNet(110).layer1[1].eval(), torch.randn(1, 16, 8, 8)
    assert torch.equal(block(x), x + block.residual(block.preact(x)))


def test_resnext29_is_the_bottleneck_network():
    model = ResNeXt(29, block=dict(groups=8), out_indices=(0, 1, 2)).eval()
    shapes = [tuple(m.shape[1:]) for m in model(torch.rand(1, 3, 32, 32))]
    assert shapes == [(256, 32, 32), (512, 16, 16), (1024, 8, 8)]
    assert model.layer1[0].conv2.out_channels == 512


@pytest.mark.parametrize(
    ('model', 'message'),
    [
        (lambda: PreActResNet(51), 'depth=51 is not known; allowed: 18, 34, 50'),
        (lambda: WideResNet(18), 'depth=18 is not known; allowed: 16, 22, 28, 40'),
        (lambda: WideResNet(out_indices=(3,)), 'out_indices=3 is not known; allowed: -3'),
    ],
)
def test_wrong_arguments(model, message):
    with pytest.raises(ValueError, match=message):
        model()
