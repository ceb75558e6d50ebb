"""Golden parameters of networks without a published count, by arithmetic."""

import json

import pytest

from .conftest import ROOT

GOLDEN = json.loads((ROOT / 'tests/golden/complexity.json').read_text())
# torchvision's counts, which the golden file has for ResNet-50 as well.
RESNET = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032}
BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    200: (3, 24, 36, 3),
    269: (3, 30, 48, 8),
}
# Depth of a DenseNet -> growth rate, layers of its blocks, channels of the stem.
DENSENET = {
    121: (32, (6, 12, 24, 16), 64),
    161: (48, (6, 12, 36, 24), 96),
    169: (32, (6, 12, 32, 32), 64),
    201: (32, (6, 12, 48, 32), 64),
    264: (32, (6, 12, 64, 48), 64),
}
# Parameters in torchvision.
TORCHVISION = {121: 7_978_856, 161: 28_681_000, 169: 14_149_480, 201: 20_013_928}


def count(name):
    [found] = [counts['params'] for path, counts in GOLDEN.items() if f'/{name}_' in path]
    return found


def se(channels, ratio=16, bias=True):
    hidden = channels // ratio
    return 2 * channels * hidden + bias * (hidden + channels)


def se_of(depth, widths):
    """SE with r = 16 in all blocks of a network."""
    return sum(n * se(width) for n, width in zip(BLOCKS[depth], widths, strict=True))


WIDTHS = (256, 512, 1024, 2048)


def test_pre_activation():
    """The shortcuts of the post-activation network have norms, of 256 to 2048 channels."""
    plain = RESNET[50] - 2 * sum(WIDTHS)
    assert count('preresnet50-tensorpack') == plain
    assert count('sepreresnet50-tensorpack') == plain + se_of(50, WIDTHS)


def test_scse_without_biases():
    added = sum(
        n * (se(width, bias=False) + width) for n, width in zip(BLOCKS[50], WIDTHS, strict=True)
    )
    assert count('scseresnet50-titu1994') == RESNET[50] + added


@pytest.mark.parametrize('depth', [18, 34])
def test_bruinxiongs_basic_blocks(depth):
    """A projection of 64 to 64 channels with its norm more than in torchvision's network."""
    projection = 64 * 64 + 2 * 64
    added = projection + se_of(depth, (64, 128, 256, 512))
    assert count(f'seresnext{depth}-bruinxiong') == RESNET[depth] + added


@pytest.mark.parametrize('depth', [200, 269])
def test_bruinxiongs_bottlenecks(depth):
    """Half of the output's channels in 32 groups; a projection in the first block of a stage."""
    total, channels = 3 * 64 * 49 + 128, 64
    for width, number in zip(WIDTHS, BLOCKS[depth], strict=True):
        half = width // 2
        for i in range(number):
            total += channels * half + half * half // 32 * 9 + half * width + 4 * half + 2 * width
            total += channels * width + 2 * width if i == 0 else 0
            channels = width
    head = 1000 * 2048 + 1000
    assert count(f'seresnext{depth}-32x4d-bruinxiong') == total + se_of(depth, WIDTHS) + head


def test_taki0112s_resnext():
    """Eight branches of 64 channels in every block; blocks end with 64, 128, 256 channels."""
    total, channels, wide = 3 * 64 * 9 + 128, 64, 8 * 64
    for width in (64, 128, 256):
        for _ in range(3):
            total += channels * wide + 8 * 64 * 64 * 9 + wide * width + 4 * wide + 2 * width
            total += se(width, 4, bias=False)
            channels = width
    assert count('seresnext29-8x64d-taki0112') == total + 256 * 10 + 10


@pytest.mark.parametrize('depth', [20, 32, 56])
def test_moskomules_networks(depth):
    """Two projections with their norms more than in He et al.; ratio 16 leaves 1, 2 and 4."""
    blocks, total, channels = (depth - 2) // 6, 3 * 16 * 9 + 32, 16
    for width in (16, 32, 64):
        total += channels * width * 9 + (2 * blocks - 1) * width * width * 9 + blocks * 4 * width
        total += channels * width + 2 * width if width != channels else 0
        channels = width
    total += 64 * 10 + 10
    assert count(f'resnet{depth}-moskomule') == total
    added = blocks * (2 * 16 + 4 * 32 + 8 * 64)
    assert count(f'seresnet{depth}-moskomule') == total + added


def widths_of(growth, layers, channels, compression=0.5):
    """Channels after every dense block and every transition."""
    widths = []
    for number in layers:
        widths.append(channels + number * growth)
        channels = int(widths[-1] * compression)
        widths.append(channels)
    return widths[:-1]


@pytest.mark.parametrize('depth', DENSENET)
def test_densenets_with_se_after_blocks_and_transitions(depth):
    growth, layers, channels = DENSENET[depth]
    widths = widths_of(growth, layers, channels)
    total = 3 * channels * 49 + 2 * channels
    for i, number in enumerate(layers):
        for _ in range(number):
            total += 2 * channels + channels * 4 * growth + 8 * growth + 4 * growth * growth * 9
            channels += growth
        if i < 3:
            total += 2 * channels + channels * (channels // 2)
            channels //= 2
    total += 2 * channels + 1000 * channels + 1000
    assert total == TORCHVISION.get(depth, total)
    assert count(f'densenet{depth}') == total
    added = sum(se(width, bias=False) for width in widths)
    assert count(f'sedensenet{depth}-titu1994') == total + added


def test_densenets_for_cifar_with_se():
    widths = widths_of(12, (16, 16, 16), 24)
    added = sum(se(width, bias=False) for width in widths)
    assert count('sedensenet-bc100-k12-titu1994') == count('densenet-bc100-k12') + added
    # 24 channels in the stem, which every layer, transition and norm sees, in the place of 16.
    layers = 8 * 36 * (2 + 12 * 9)
    transitions = sum(2 * 8 + (16 + width + 8) ** 2 - (16 + width) ** 2 for width in (144, 288))
    stem = 8 * (3 * 9 + 2 + 10) + layers + transitions
    added = sum(se(width, bias=False) for width in widths_of(12, (12, 12, 12), 24, 1))
    assert count('sedensenet40-k12-titu1994') == count('densenet40-k12') + stem + added
