"""The gates of blocks, put together by stage."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from senet_mm.analysis import BlockReport
from senet_mm.analysis.names import PAPER_NAME


class StageGates(NamedTuple):
    """The gates of a stage.

    Attributes:
        channels: Channels of all its blocks.
        mean: Mean gate over images and channels.
        std: Standard deviation over the images, mean of the channels.
        dead, high, low: Dead channels, and those saturated at one and at zero.
    """

    channels: int
    mean: float
    std: float
    dead: int
    high: int
    low: int


def by_stage(blocks: Sequence[BlockReport]) -> dict[str, StageGates]:
    """The gates by stage, ``SE_2`` for ``SE_2_1``; another block is a stage of its own."""
    stages: dict[str, list[BlockReport]] = {}
    for block in blocks:
        is_of_paper = PAPER_NAME.fullmatch(block.block)
        name = re.sub(r'_\d+$', '', block.block) if is_of_paper else block.block
        stages.setdefault(name, []).append(block)
    return {name: _pool(members) for name, members in stages.items()}


def _pool(blocks: Sequence[BlockReport]) -> StageGates:
    channels = sum(block.channels for block in blocks)
    mean, std = (
        sum(getattr(block, key) * block.channels for block in blocks) / channels
        for key in ('mean', 'std')
    )
    counts = (
        sum(len(block.findings[kind]) for block in blocks)
        for kind in ('dead', 'saturated high', 'saturated low')
    )
    return StageGates(channels, mean, std, *counts)
