"""Shared by the benchmarks: networks of this and other projects, a table, the machine's name."""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch import nn

from senet_mm.engine.speed import use_memory
from senet_mm.models import ImageClassifier
from senet_mm.ops import fuse_tails
from senet_mm.utils.device import name_device
from senet_mm.utils.options import check_option
from senet_mm.utils.tables import markdown_table

from .options import PEERS

SE = dict(layer=dict(type='SELayer', ratio=16))


def classifier(backbone: dict, se: dict | None = None, channels: int = 2048) -> nn.Module:
    """A classifier of 1000 classes: images (N, 3, H, W) to logits."""
    head = dict(type='LinearClsHead', num_classes=1000, in_channels=channels)
    return ImageClassifier(backbone, dict(type='GlobalAveragePooling'), head, se=se)


def ours(
    network: str, implementation: str = 'reference', lean: bool = False, se: bool = True
) -> nn.Module:
    """Our network; the fast form of its blocks is taken without a trial."""
    model = classifier(PEERS[network].own, SE if se else None)
    fuse_tails(model, None, implementation, lean)
    return model


def peers(network: str) -> dict[str, Callable[[], nn.Module]]:
    """Makers of the same network of mmpretrain and timm."""
    import timm

    found: dict[str, Callable[[], nn.Module]] = {}
    if backbone := PEERS[network].mmpretrain:
        found['mmpretrain'] = partial(classifier, backbone)
    if name := PEERS[network].timm:
        found[f'timm {name}'] = partial(timm.create_model, name)
    return found


def others(network: str) -> dict[str, Callable[[], nn.Module]]:
    """Makers of networks that timm calls alike but that are others: no peers."""
    import timm

    name = PEERS[network].other
    return {f'timm {name}': partial(timm.create_model, name)} if name else {}


def start(args: argparse.Namespace) -> str:
    """Set up and say on what the benchmark runs; returns the device.

    All rows keep freed memory as the tools do: networks of others gain from it as well.
    """
    use_memory()
    threads = vars(args).get('threads', 1)
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    init_default_scope('senet_mm')
    device = get_device()
    print(f'{name_device()}, {threads} thread(s), torch {torch.__version__}, {vars(args)}')
    return device


def select(variants: dict, only: list[str] | None) -> dict:
    """The variants that were asked for, in that order; all by default."""
    for name in only or ():
        check_option('--only', name, variants)
    return {name: variants[name] for name in only or variants}


class Row(NamedTuple):
    """What a row is compared with.

    Attributes:
        form: Precision, and compiler or library: rows of one form are compared. Empty for another
            network.
        own: Whether it is this project's.
    """

    form: str
    own: bool


def compare_with_peer(
    name: str, times: Mapping[str, float], rows: Mapping[str, Row]
) -> float | str:
    """Speed of a row of ours relative to the fastest one of others of its form; else empty.

    Args:
        name: Of the row.
        times: Seconds by name.
        rows: The rows by name.
    """
    row = rows[name]
    equal = [times[other] for other in times if rows[other] == Row(row.form, own=False)]
    return min(equal) / times[name] if row.own and row.form and equal else ''


def print_table(header: list[str], rows: list[list]) -> None:
    """A Markdown table; floats with three digits."""
    lines = [
        [f'{cell:.2f}' if isinstance(cell, float) else str(cell) for cell in row] for row in rows
    ]
    print(markdown_table(header, lines), end='')
