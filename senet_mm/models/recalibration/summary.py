"""What insert_se did, in a few lines."""

from collections import defaultdict

from torch import nn


def summarize(model: nn.Module) -> list[str]:
    """One line per stage: how many layers of which kind act where in a network."""
    stages = defaultdict(list)
    for module in model.modules():
        if getattr(module, 'port', '') and getattr(module, 'stage', None) is not None:
            stages[module.stage].append(module)
    lines = []
    for stage, layers in sorted(stages.items()):
        kinds = sorted({type(layer).__name__ for layer in layers})
        ports = sorted({layer.port.rpartition(' of ')[0] for layer in layers})
        lines.append(f'stage {stage}: {len(layers)} x {", ".join(kinds)} at the {", ".join(ports)}')
    return lines
