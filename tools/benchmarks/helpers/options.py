"""Options that all benchmarks have, and the networks that they measure; imports nothing large."""

import argparse
from collections.abc import Collection
from typing import Any, NamedTuple

from senet_mm.cli import reported_errors
from senet_mm.utils.errors import InputError
from senet_mm.utils.usage import ToolParser, check_leasts, name_option


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
NETWORK = 'seresnet50'  # by default
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


# The smallest value of each number, whichever benchmarks have it; quartiles need two rounds.
LEASTS = dict(batch_size=1, rounds=2, size=1, threads=1, processes=1, settings_on=1, gpus=1,
              images=1)  # fmt: skip


def make_parser(
    description: str,
    rounds: int | list[int],
    batch_size: int | list[int] = 1,
    leave_out: Collection[str] = (),
) -> argparse.ArgumentParser:
    """A parser with the arguments of benchmarks.

    Args:
        description: Of the benchmark.
        rounds: Default; a list allows several numbers.
        batch_size: Likewise.
        leave_out: Names of arguments that the benchmark would not read.
    """
    parser = ToolParser(description=description)
    clock = 'cpu: processor time, for one thread beside other load'
    only = 'variants to run; ratios are relative to the first one'
    arguments: dict[str, dict[str, Any]] = {
        'network': dict(choices=PEERS, default=NETWORK, help='what is measured'),
        'batch_size': _number(batch_size, 'images of a batch'),
        'rounds': _number(rounds, 'number of timed calls'),
        'size': _number(224, 'side of the images'),
        'threads': _number(1, 'CPU threads'),
        'clock': dict(choices=['wall', 'cpu'], default='wall', help=clock),
        'only': dict(nargs='+', help=only),
    }
    assert set(leave_out) <= set(arguments), leave_out
    for name, settings in arguments.items():
        if name not in leave_out:
            parser.add_argument(name_option(name), **settings)
    return parser


def _number(default: int | list[int], words: str) -> dict[str, Any]:
    several = '+' if isinstance(default, list) else None
    return dict(type=int, nargs=several, default=default, help=words)


def check(args: argparse.Namespace) -> argparse.Namespace:
    """Raise an InputError for numbers that are too small or given twice; returns the arguments.

    A number of rounds may be given for each batch size, or one for all.
    """
    check_leasts(args, LEASTS)
    for name, given in vars(args).items():
        if isinstance(given, list) and name != 'rounds' and len(set(given)) < len(given):
            text = ' '.join(map(str, given))
            raise InputError(f'{name_option(name)} {text}; allowed: each value once')
    if isinstance(args.rounds, list) and len(args.rounds) not in (1, len(args.batch_size)):
        text = ' '.join(map(str, args.rounds))
        raise InputError(f'--rounds {text}; allowed: one number, or one per batch size')
    return args


def read(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments of the command line, checked before torch is imported."""
    args = parser.parse_args()
    with reported_errors():
        check(args)
    return args
