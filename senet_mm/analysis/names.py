"""Gates and classes by name."""

import re
from collections import Counter
from collections.abc import Sequence

from torch import nn

from senet_mm.models.layers import recalibration_layers
from senet_mm.models.recalibration import name_block
from senet_mm.utils.errors import InputError

PAPER_NAME = re.compile(r'SE_(\d+)_\d+')


def find_gates(model: nn.Module) -> dict[str, nn.Module]:
    """The layers of a network that have a gate, by the name of their block.

    The gate of a recalibration layer is its ``scale(x)``; that of a layer with which the network
    was built is the output of its sub-module ``gate``. In networks of the ResNet family a block is
    named ``SE_stage_block`` as in the paper: ``layer1.0`` is SE_2_1. In other networks, and for
    blocks with several layers, the name is the path of the layer.

    Raises:
        ValueError: There is none, or a recalibration layer has no gate.
    """
    layers = recalibration_layers(model)
    for path, layer in layers.items():
        if not (has_scale(layer) or _has_gate(layer)):
            raise InputError(
                f'layer {path}: {type(layer).__name__} has no method scale(x) that returns the '
                'gate of a map x, (N, C, 1, 1), (N, 1, H, W) or (N, C, H, W)'
            )
    parts = {id(part) for layer in layers.values() for part in layer.modules()}
    layers |= {
        path: layer
        for path, layer in model.named_modules()
        if id(layer) not in parts and _has_gate(layer)
    }
    if not layers:
        raise InputError(
            'the network has no gates; allowed: one with recalibration layers '
            '(`se` of the model or of its backbone)'
        )
    layers = {re.sub(r'^(module\.)+', '', path): layer for path, layer in layers.items()}
    names = {path: name_block(path) for path in layers}
    times = Counter(names.values())
    return {names[path] if times[names[path]] == 1 else path: layers[path] for path in layers}


def has_scale(layer: nn.Module) -> bool:
    """Whether a layer is a recalibration layer with a method ``scale``."""
    return getattr(layer, 'recalibrates', False) and callable(getattr(layer, 'scale', None))


def _has_gate(layer: nn.Module) -> bool:
    """Whether a layer has a sub-module ``gate``."""
    return isinstance(getattr(layer, 'gate', None), nn.Module)


def paper_blocks(names: Sequence[str]) -> list[str]:
    """The blocks of figure 6: the last one of each stage, and all of the last stage.

    All blocks if one of them has no stage in its name.
    """
    stages = [int(match[1]) for name in names if (match := PAPER_NAME.fullmatch(name))]
    if len(stages) < len(names):
        return list(names)
    last_of_stage = dict(zip(stages, names, strict=True))
    return [
        name
        for name, stage in zip(names, stages, strict=True)
        if stage == stages[-1] or name == last_of_stage[stage]
    ]


def find_class(given: str | int, names: Sequence[str]) -> int:
    """Index of a class, which is given by its name, a synonym, or its index.

    Args:
        given: ``'goldfish'`` or ``1``.
        names: Names of all classes; synonyms are separated by ``', '``.

    Raises:
        ValueError: There is no such class, or there are several.
    """
    found = [i for i, name in enumerate(names) if given == name] or [
        i for i, name in enumerate(names) if given in name.split(', ')
    ]
    if len(found) > 1:
        raise InputError(f'class {given!r} is not unique; allowed: its index, one of {found}')
    if found:
        return found[0]
    if re.fullmatch(r'\d+', str(given)) and int(given) < len(names):
        return int(given)
    some = ', '.join(map(repr, names[:3]))
    raise InputError(
        f'class {given!r} is not known; allowed: a name ({some}, ...) or 0 to {len(names) - 1}'
    )
