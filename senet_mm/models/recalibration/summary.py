"""Where the layers of a network act, in a few lines for the log."""

from collections import defaultdict

from torch import nn

from senet_mm.models.layers import recalibration_layers

from .attention import describe_attention


def describe_layers(model: nn.Module) -> list[str]:
    """One line per stage: ``stage 2: 3 x SELayer at the slot``.

    A last line names attention with which the network was built besides them.
    """
    stages = defaultdict(list)
    for layer in recalibration_layers(model).values():
        if acts_at := getattr(layer, 'acts_at', None):
            stages[acts_at.stage].append((type(layer).__name__, acts_at.port))
    lines = []
    for stage, layers in sorted(stages.items()):
        kinds, ports = (sorted(set(names)) for names in zip(*layers, strict=True))
        lines.append(f'stage {stage}: {len(layers)} x {", ".join(kinds)} at the {", ".join(ports)}')
    if lines and (own := describe_attention(model)):
        lines.append(own)
    return lines
