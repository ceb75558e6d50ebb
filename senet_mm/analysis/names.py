"""Gates and classes by name."""

import re
from collections import Counter
from collections.abc import Sequence

from torch import nn

RESIDUAL_STAGE = re.compile(r'(?:^|\.)layer(\d+)\.(\d+)(?:\.|$)')
PAPER_NAME = re.compile(r'SE_(\d+)_\d+')


def find_gates(model: nn.Module) -> dict[str, nn.Module]:
    """The gates of a network by the name of their block.

    A gate is the submodule ``gate`` of any layer. Its block is ``SE_stage_block`` as in the paper
    (``layer1.0`` is SE_2_1) in networks of the ResNet family; elsewhere, and where a block has
    several gates, it is the path of the layer.

    Raises:
        ValueError: There is none.
    """
    gates = {
        re.sub(r'^(module\.)+', '', path): layer.gate
        for path, layer in model.named_modules()
        if isinstance(getattr(layer, 'gate', None), nn.Module)
    }
    if not gates:
        raise ValueError(
            'the network has no gates; allowed: one with recalibration layers '
            '(`se` of the model or of its backbone)'
        )
    names = {path: _block_name(path) for path in gates}
    times = Counter(names.values())
    return {names[path] if times[names[path]] == 1 else path: gate for path, gate in gates.items()}


def _block_name(path: str) -> str:
    """Name of the block of a layer; the stem is the paper's stage 1."""
    match = RESIDUAL_STAGE.search(path)
    return f'SE_{int(match[1]) + 1}_{int(match[2]) + 1}' if match else path


def paper_blocks(names: Sequence[str]) -> list[str]:
    """The blocks of figure 6: the last one of each stage, and all of the last stage.

    All blocks, where one has no stage in its name.
    """
    matches = [PAPER_NAME.fullmatch(name) for name in names]
    if not all(matches):
        return list(names)
    stages = [int(match[1]) for match in matches]
    last_of_stage = dict(zip(stages, names, strict=True))
    return [
        name
        for name, stage in zip(names, stages, strict=True)
        if stage == stages[-1] or name == last_of_stage[stage]
    ]


def find_class(given: str | int, names: Sequence[str]) -> int:
    """Index of a class that is given by its name, one of its synonyms, or its index.

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
        raise ValueError(f'class {given!r} is not unique; allowed: its index, one of {found}')
    if found:
        return found[0]
    if re.fullmatch(r'\d+', str(given)) and int(given) < len(names):
        return int(given)
    some = ', '.join(map(repr, names[:3]))
    raise ValueError(
        f'class {given!r} is not known; allowed: a name ({some}, ...) or 0 to {len(names) - 1}'
    )
