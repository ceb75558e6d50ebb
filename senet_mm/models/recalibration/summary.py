"""Where the layers of a network act, in a few lines for the log."""

import re
from collections import defaultdict

from torch import nn

from senet_mm.models.layers import recalibration_layers

from .attention import describe_attention

RESIDUAL_STAGE = re.compile(r'(?:^|\.)layer(\d+)(?:\.(\d+))?(?:\.|$)')


def name_stage(path: str) -> str:
    """Name of a stage as in the paper's figures: ``layer1`` is SE_2, as stage 2 follows the stem.

    Other paths stay as they are.
    """
    match = RESIDUAL_STAGE.search(path)
    return f'SE_{int(match[1]) + 1}' if match else path


def name_block(path: str) -> str:
    """Name of a block, as in the paper's figures, by its path or that of a layer in it.

    ``layer1.0`` is SE_2_1, the first one of SE_2; other paths stay as they are.
    """
    match = RESIDUAL_STAGE.search(path)
    return f'{name_stage(path)}_{int(match[2]) + 1}' if match and match[2] else path


def describe_layers(model: nn.Module) -> list[str]:
    """One line per stage: ``SE_2_1 to SE_2_3: 3 x SELayer at the standard position``.

    A last line names attention with which the network was built besides them.
    """
    stages = defaultdict(list)
    for layer in recalibration_layers(model).values():
        if acts_at := getattr(layer, 'acts_at', None):
            block = name_block(acts_at.block)
            stages[acts_at.stage].append((type(layer).__name__, acts_at.place, block))
    lines = []
    for _, layers in sorted(stages.items()):
        kinds, places = (sorted({each[i] for each in layers}) for i in (0, 1))
        blocks = list(dict.fromkeys(block for *_, block in layers))
        names = ' to '.join(dict.fromkeys((blocks[0], blocks[-1])))
        lines.append(f'{names}: {len(layers)} x {", ".join(kinds)} at the {", ".join(places)}')
    if lines and (own := describe_attention(model)):
        lines.append(own)
    return lines
