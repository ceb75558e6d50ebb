"""The gates of blocks, put together by stage."""

from collections.abc import Sequence
from typing import NamedTuple

from senet_mm.analysis import BlockReport
from senet_mm.analysis.gates import stages_of


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
    by_name = {block.block: block for block in blocks}
    stages = stages_of(by_name)
    return {stage: _pool([by_name[name] for name in names]) for stage, names in stages.items()}


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
