"""Maps on which the passes of the fused tail run in the residual networks, from their widths."""

from collections import Counter
from typing import NamedTuple

# Side of the maps in the first stage, of images of 224 pixels; it halves from stage to stage.
SIDE = 56


class Map(NamedTuple):
    """A map (N, channels, height, width), and whether it is the last one of a block, before SE."""

    channels: int
    height: int
    width: int
    tail: bool


class Widths(NamedTuple):
    """Blocks by stage; channels of a block's first and second map in the first stage."""

    blocks: tuple[int, ...]
    first: int
    second: int


NETWORKS = {
    'seresnet50': Widths((3, 4, 6, 3), 64, 64),
    'seresnet101': Widths((3, 4, 23, 3), 64, 64),
    'seresnet152': Widths((3, 8, 36, 3), 64, 64),
    'seresnext50': Widths((3, 4, 6, 3), 128, 128),
    'seresnext101': Widths((3, 4, 23, 3), 128, 128),
    'senet154': Widths((3, 8, 36, 3), 128, 256),
}


def maps_of(network: str) -> Counter[Map]:
    """The maps of a network, and how many of each. The second convolution has the stride."""
    blocks, first, second = NETWORKS[network]
    counts: Counter[Map] = Counter()
    for stage, number in enumerate(blocks):
        factor, side = 2**stage, SIDE // 2**stage
        counts[Map(256 * factor, side, side, True)] += number
        counts[Map(second * factor, side, side, False)] += number
        before = side * (2 if stage else 1)
        counts[Map(first * factor, before, before, False)] += 1
        counts[Map(first * factor, side, side, False)] += number - 1
    return counts


def all_maps() -> list[Map]:
    """The maps of all networks, each once, the same size as a tail and as another map once only."""
    sizes = {(m.channels, m.height, m.width) for network in NETWORKS for m in maps_of(network)}
    return [Map(*size, True) for size in sorted(sizes, reverse=True)]


BATCHES = (1, 32, 256)

# A single value, a single position, channels and positions that no tile divides, a long side.
ODD = [
    Map(1, 1, 1, True),
    Map(2048, 1, 1, True),
    Map(72, 5, 3, True),
    Map(100, 7, 7, True),
    Map(17, 3, 211, True),
]
ODD_BATCHES = (1, 5)

# For Triton's interpreter, where a program takes milliseconds.
TINY = [Map(20, 5, 3, True), Map(16, 2, 2, True), Map(1, 1, 1, True)]
TINIEST = [Map(3, 2, 2, True), Map(3, 2, 2, False)]
