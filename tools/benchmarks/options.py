"""Options that all benchmarks have, and the networks that they measure; imports nothing large."""

import argparse
from typing import NamedTuple

from senet_mm.utils.usage import ToolParser


class Peers(NamedTuple):
    """A network, and where others have it.

    Attributes:
        own: Our backbone, without SE.
        mmpretrain: Backbone of mmpretrain with SE, if it has one.
        timm: Name of the same network in timm, if it has one.
        other: What timm has under that name with another place of the stride: no peer.
    """

    own: dict
    mmpretrain: dict | None = None
    timm: str | None = None
    other: str | None = None


# Peers have the same parameters and multiply-adds. timm's legacy_seresnet50 strides in the first
# 1x1 convolution, not in the 3x3, and has 6 % fewer multiply-adds.
PEERS = {
    'seresnet50': Peers(
        dict(type='ResNet', depth=50),
        dict(type='mmpretrain.SEResNet', depth=50),
        'seresnet50',
        'legacy_seresnet50',
    ),
    'seresnext101': Peers(
        dict(type='ResNeXt', depth=101),
        dict(type='mmpretrain.SEResNeXt', depth=101),
        'seresnext101_32x4d',
    ),
    'senet154': Peers(dict(type='ResNeXt', depth=154), timm='legacy_senet154'),
}


def make_parser(
    description: str, batch_size: int | list[int], rounds: int | list[int]
) -> argparse.ArgumentParser:
    """A parser with the arguments that all benchmarks have; a list allows several numbers."""
    parser = ToolParser(description=description)
    parser.add_argument('--network', choices=PEERS, default='seresnet50')
    for name, default, words in (
        ('--batch-size', batch_size, 'images of a batch'),
        ('--rounds', rounds, 'number of timed calls'),
    ):
        number = '+' if isinstance(default, list) else None
        parser.add_argument(name, type=int, nargs=number, default=default, help=words)
    parser.add_argument('--size', type=int, default=224, help='side of the images')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads')
    parser.add_argument(
        '--clock',
        choices=['wall', 'cpu'],
        default='wall',
        help='cpu: processor time, for one thread beside other load',
    )
    parser.add_argument(
        '--only', nargs='+', help='variants to run; ratios are relative to the first one'
    )
    return parser
