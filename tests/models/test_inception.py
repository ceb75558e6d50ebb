import pytest
import timm
import torch

from senet_mm.apis import get_config
from senet_mm.models import InceptionResNetV2, InceptionV4
from senet_mm.models.backbones import InceptionBlock, InceptionResNetBlock
from senet_mm.registry import MODELS
from senet_mm.utils.complexity import get_complexity

from .plain import assert_equal, assert_gradients_flow, complexity, disturb

NETS = [InceptionV4, InceptionResNetV2]
NAMES = {InceptionV4: 'inception_v4', InceptionResNetV2: 'inception_resnet_v2'}


@pytest.mark.slow
@pytest.mark.parametrize('net', NETS)
def test_equals_timm(net):
    """Outputs and all gradients; every map is odd at 75 pixels and even somewhere at 102."""
    model = disturb(net())
    peer = timm.create_model(NAMES[net], num_classes=0, global_pool='')
    for side in (75, 102):
        assert_equal(model, peer, torch.randn(1, 3, side, side, dtype=torch.float64), 1e-11)
        model.zero_grad()
        peer.zero_grad()


@pytest.mark.slow
@pytest.mark.parametrize(
    ('net', 'params', 'macs'),
    [
        (InceptionV4, 42_679_816, 12_253_974_624),
        (InceptionResNetV2, 55_843_464, 13_155_794_016),
    ],
)
def test_counts_are_those_of_timm(net, params, macs):
    assert complexity(net(), 1536, 1000, 299) == (params, macs)
    peer = get_complexity(timm.create_model(NAMES[net]), (3, 299, 299))
    assert (peer.params, peer.macs) == (params, macs)


@pytest.mark.parametrize(('net', 'channels'), [(InceptionV4, 384), (InceptionResNetV2, 320)])
def test_stages(net, channels):
    maps = net(out_indices=(0, 1, 2)).eval()(torch.rand(1, 3, 139, 139))
    middle = 1024 if net is InceptionV4 else 1088
    shapes = [(channels, 15, 15), (middle, 7, 7), (1536, 3, 3)]
    assert [tuple(feature.shape[1:]) for feature in maps] == shapes


@pytest.mark.parametrize('net', NETS)
def test_gradients_flow(net):
    assert_gradients_flow(net(), torch.randn(2, 3, 107, 107))


def test_modules():
    """4 A, 7 B, 3 C and two reductions; 10, 20, 10 residual modules and three others."""
    blocks = [block for [layer] in InceptionV4().stages for block in layer]
    assert [type(block) for block in blocks] == [InceptionBlock] * 16
    stages = InceptionResNetV2().stages
    residual = [sum(isinstance(b, InceptionResNetBlock) for b in stage[0]) for stage in stages]
    assert residual == [10, 20, 10]
    assert [type(stage[0][0]) for stage in stages] == [InceptionBlock] * 3


def test_the_residual_is_what_is_added():
    block, x = InceptionResNetV2().layer1[1].eval(), torch.randn(1, 320, 5, 5)
    torch.testing.assert_close(block(x), torch.relu(x + block.residual(x)), rtol=0, atol=0)


@pytest.mark.parametrize('frozen', [0, 2])
def test_frozen_stages(frozen):
    model = InceptionResNetV2(frozen_stages=frozen).train()
    parts = [[model.stem], *model.stages]
    for i, modules in enumerate(parts):
        parameters = [p for module in modules for p in module.parameters()]
        assert all(p.requires_grad == (i > frozen) for p in parameters)


# Modules of taki0112/SENet-Tensorflow: (input, output, area of the kernel) of each convolution.
STEM = [(3, 32, 9), (32, 32, 9), (32, 64, 9), (64, 96, 9), (160, 64, 1), (64, 96, 9)]
STEM += [(160, 64, 1), (64, 64, 7), (64, 64, 7), (64, 96, 9), (192, 192, 9)]
A = [(384, 96, 1), (384, 96, 1), (384, 64, 1), (64, 96, 9), (384, 64, 1), (64, 96, 9), (96, 96, 9)]
REDUCTION_A = [(384, 384, 9), (384, 256, 1), (256, 256, 9), (256, 384, 9)]


def reduction_b(x):
    return [*[(x, 256, 1)] * 3, (256, 384, 9), (256, 288, 9), (256, 288, 9), (288, 320, 9)]


def b(x):
    first = [(x, 128, 1), (x, 384, 1), (x, 192, 1), (192, 224, 7), (224, 256, 7)]
    return [*first, (x, 192, 1), (192, 192, 7), (192, 224, 7), (224, 224, 7), (224, 256, 7)]


def c(x):
    first = [(x, 256, 1), (x, 256, 1), (x, 384, 1), *[(384, 256, 3)] * 2]
    return [*first, (x, 384, 1), (384, 448, 3), (448, 512, 3), *[(512, 256, 3)] * 2]


RESNET_A = [(384, 32, 1), (384, 32, 1), (32, 32, 9), (384, 32, 1), (32, 48, 9), (48, 64, 9)]
RESNET_A += [(128, 384, 1)]
RESNET_B = [(1152, 192, 1), (1152, 128, 1), (128, 160, 7), (160, 192, 7), (384, 1152, 1)]
RESNET_C = [(2144, 192, 1), (2144, 192, 1), (192, 224, 3), (224, 256, 3), (448, 2144, 1)]
# Network -> its modules, channels of the norms at their ends, and of the maps with SE.
TAKI = {
    InceptionV4: (
        [STEM, *[A] * 4, REDUCTION_A, b(1152), *[b(1024)] * 6, reduction_b(1024), c(2016)]
        + [c(1536)] * 2,
        [384] * 5 + [1152] + [1024] * 7 + [2016] + [1536] * 3,
        [384] * 4 + [1024] * 7 + [1536] * 3,
    ),
    InceptionResNetV2: (
        [STEM, *[RESNET_A] * 5, REDUCTION_A, *[RESNET_B] * 10, reduction_b(1152)] + [RESNET_C] * 5,
        [384] * 6 + [1152] * 11 + [2144] * 6,
        [384] * 5 + [1152] * 11 + [2144] * 6,
    ),
}


@pytest.mark.parametrize('net', NETS)
def test_taki0112s_parameters_are_counted_by_hand(net):
    """Convolutions with bias, norms, SE with r = 4 and its biases."""
    name = NAMES[net].replace('_', '-')
    model = get_config(f'se-{name}-taki0112_1xb128_cifar10').model
    with torch.device('meta'):
        backbone = MODELS.build(model).backbone
    modules, norms, gates = TAKI[net]
    count = sum(x * y * area + y for module in modules for x, y, area in module)
    count += sum(2 * channels for channels in norms)
    count += sum(2 * x * (x // 4) + x // 4 + x for x in gates)
    assert sum(p.numel() for p in backbone.parameters()) == count


@pytest.mark.parametrize('net', NETS)
def test_taki0112s_images_are_padded_to_96(net):
    """Stages of stride 8, 16, 32, of 9, 4 and 1 pixels."""
    with torch.device('meta'):
        model = net(variant='taki0112', image_padding=32, out_indices=(0, 1, 2))
        plain = net(variant='taki0112', out_indices=(0, 1, 2))
        maps, padded = model(torch.rand(2, 3, 32, 32)), plain(torch.rand(2, 3, 96, 96))
    assert [m.shape for m in maps] == [m.shape for m in padded]
    assert [m.shape[2] for m in maps] == [9, 4, 1]


def kernels(module):
    """Height and width of every kernel, digits."""
    convs = (m for m in module.modules() if isinstance(m, torch.nn.Conv2d))
    return [''.join(map(str, conv.kernel_size)) for conv in convs]


def test_taki0112s_kernels():
    """He has 1x7 twice in the third branch of B, and 7x1 before 1x7 in the stem."""
    with torch.device('meta'):
        v4, resnet = (net(variant='taki0112') for net in NETS)
    stem = ['33', '33', '33', '33', '11', '33', '11', '71', '17', '33', '33']
    assert kernels(v4.stem) == kernels(resnet.stem) == stem
    b = ['11', '11', '11', '17', '17', '11', '17', '71', '17', '71']
    assert kernels(v4.layer2[1]) == b
    c = ['11', '11', '11', '13', '31', '11', '13', '31', '31', '13']
    assert kernels(v4.layer3[1]) == c
    assert kernels(resnet.layer2[1]) == ['11', '11', '17', '71', '11']
    assert kernels(resnet.layer3[1]) == ['11', '11', '13', '31', '11']


def test_padding_is_zeros_on_all_sides():
    model, x = InceptionV4(image_padding=32).eval(), torch.rand(1, 3, 32, 32)
    padded = torch.zeros(1, 3, 96, 96)
    padded[..., 32:64, 32:64] = x
    state = model.state_dict()
    plain = InceptionV4().eval()
    plain.load_state_dict(state)
    assert torch.equal(model(x)[-1], plain(padded)[-1])
    with pytest.raises(ValueError, match=r'is \(74, 74\) with its padding; allowed: sides from 75'):
        model(torch.rand(1, 3, 10, 10))


def test_taki0112s_modules_end_with_a_norm():
    v4, resnet = (net(variant='taki0112').eval() for net in NETS)
    x = torch.randn(1, 384, 5, 5)
    block = disturb(v4).layer1[1]
    joined = torch.cat([branch(x) for branch in block.branches], 1)
    torch.testing.assert_close(block(x), torch.relu(block.norm[0](joined)))
    block = disturb(resnet).layer1[1]
    added = x + 0.1 * block.residual.conv(block.residual.branches(x))
    torch.testing.assert_close(block(x), torch.relu(block.norm[0](added)))
    for model in (v4, resnet):
        convs = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
        assert all(conv.bias is not None for conv in convs)


def test_a_small_image_is_refused():
    with pytest.raises(ValueError, match=r'image is \(100, 74\); allowed: sides from 75'):
        InceptionV4()(torch.rand(1, 3, 100, 74))
