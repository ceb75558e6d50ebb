"""Shared by the benchmarks: networks of this and other projects, a table, the machine's name."""

import argparse
from collections.abc import Callable
from functools import partial

import torch
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch import nn

from senet_mm.models import ImageClassifier
from senet_mm.ops import fuse_tails
from senet_mm.utils.device import name_device
from senet_mm.utils.options import check_option
from senet_mm.utils.tables import markdown_table
from senet_mm.utils.usage import ToolParser

# Our backbone without SE, mmpretrain's with it, timm's; SE-ResNet-50 is in timm twice.
PEERS = {
    'seresnet50': (
        dict(type='ResNet', depth=50),
        dict(type='mmpretrain.SEResNet', depth=50),
        ['seresnet50', 'legacy_seresnet50'],
    ),
    'seresnext101': (
        dict(type='ResNeXt', depth=101),
        dict(type='mmpretrain.SEResNeXt', depth=101),
        ['seresnext101_32x4d'],
    ),
    'senet154': (dict(type='ResNeXt', depth=154), None, ['legacy_senet154']),
}


SE = dict(layer=dict(type='SELayer', ratio=16))


def classifier(backbone: dict, se: dict | None = None, channels: int = 2048) -> nn.Module:
    """A classifier of 1000 classes: images (N, 3, H, W) to logits."""
    head = dict(type='LinearClsHead', num_classes=1000, in_channels=channels)
    return ImageClassifier(backbone, dict(type='GlobalAveragePooling'), head, se=se)


def ours(
    network: str, implementation: str = 'reference', lean: bool = False, se: bool = True
) -> nn.Module:
    """Our network; the fast form of its blocks is taken without a trial."""
    model = classifier(PEERS[network][0], SE if se else None)
    fuse_tails(model, None, implementation, lean)
    return model


def peers(network: str) -> dict[str, Callable[[], nn.Module]]:
    """Makers of the same network of mmpretrain and timm."""
    import timm

    _, mmpretrain, names = PEERS[network]
    found = {'mmpretrain': partial(classifier, mmpretrain)} if mmpretrain else {}
    return found | {f'timm {name}': partial(timm.create_model, name) for name in names}


def make_parser(description: str, **defaults: int) -> argparse.ArgumentParser:
    """A parser with the arguments that all benchmarks have."""
    parser = ToolParser(description=description)
    parser.add_argument('--network', choices=PEERS, default='seresnet50')
    parser.add_argument('--batch-size', type=int, default=defaults['batch_size'])
    parser.add_argument('--size', type=int, default=224, help='side of the images')
    parser.add_argument(
        '--rounds', type=int, default=defaults['rounds'], help='number of timed calls'
    )
    parser.add_argument('--threads', type=int, default=1, help='CPU threads')
    parser.add_argument(
        '--only', nargs='+', help='variants to run; ratios are relative to the first one'
    )
    return parser


def start(args: argparse.Namespace) -> str:
    """Set up and say on what the benchmark runs; returns the device."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    init_default_scope('senet_mm')
    device = get_device()
    print(f'{name_device()}, {args.threads} thread(s), torch {torch.__version__}, {vars(args)}')
    return device


def select(variants: dict, only: list[str] | None) -> dict:
    """The variants that were asked for, in that order; all by default."""
    for name in only or ():
        check_option('only', name, variants)
    return {name: variants[name] for name in only or variants}


def print_table(header: list[str], rows: list[list]) -> None:
    """A Markdown table; floats with three digits."""
    lines = [
        [f'{cell:.2f}' if isinstance(cell, float) else str(cell) for cell in row] for row in rows
    ]
    print(markdown_table(header, lines), end='')
