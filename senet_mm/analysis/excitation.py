"""What the gates of a network do on a data set (Hu et al., arXiv:1709.01507, section 7.2)."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from mmengine.dist import all_gather
from torch import Tensor, nn

from .moments import Moments, pool

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


@dataclass
class BlockStats:
    """What the gates of one block did.

    Attributes:
        classes: Moments of the channels' gates over the images of each recorded class, one row
            each, and in the last row over those of all other classes.
        low, high: Number of images whose gate is below the lower, above the upper threshold, (C,).
    """

    classes: Moments
    low: Tensor
    high: Tensor

    @classmethod
    def zeros(cls, rows: int, channels: int) -> 'BlockStats':
        """Of no gates yet."""
        low, high = torch.zeros(2, channels, dtype=torch.float64)
        return cls(Moments.zeros(rows, channels), low, high)

    @property
    def all(self) -> Moments:
        """Moments over all images."""
        return pool(self.classes)

    def gathered(self) -> 'BlockStats':
        """The statistics of all processes together."""
        low, high = (torch.stack(all_gather(part)).sum(0) for part in (self.low, self.high))
        return BlockStats(self.classes.gathered(), low, high)


@dataclass
class Excitation:
    """The gates on a data set, by block and class.

    Attributes:
        names: Name of each recorded class by its label.
        blocks: Statistics by block, in the order of the network.
    """

    names: dict[int, str]
    blocks: dict[str, BlockStats] = field(default_factory=dict)

    @property
    def counts(self) -> dict[int, int]:
        """Number of images of each recorded class."""
        stats = next(iter(self.blocks.values()))
        counts = stats.classes.count.flatten().int().tolist()
        return dict(zip(self.names, counts[:-1], strict=True))

    def moments(self, block: str, label: int | None = None) -> Moments:
        """Moments (C,) of a block's gates over the images of a class; None is all images."""
        stats = self.blocks[block]
        return stats.all if label is None else stats.classes.select(list(self.names).index(label))

    def largest(self, number: int) -> list[int]:
        """The recorded classes with the most images, most first, at most ``number``."""
        counts = {label: count for label, count in self.counts.items() if count}
        return sorted(counts, key=lambda label: (-counts[label], label))[:number]

    def gathered(self) -> 'Excitation':
        """The gates of all processes together."""
        return Excitation(self.names, {name: b.gathered() for name, b in self.blocks.items()})


class GateRecorder:
    """Records the gates of a network while it runs; :meth:`remove` ends it.

    Before every forward pass ``labels`` must be set. Gates with positions, (N, C, H, W), are
    averaged over them. Works in double precision on the CPU.

    Args:
        model: The network.
        names: Names of all classes of the data set.
        classes: Labels of the classes to record one by one, by default each; all others still
            count in what is recorded of all images.
        thresholds: A gate below the first or above the second is saturated. The default is for
            a sigmoid.

    Raises:
        ValueError: The network has no gates, or the thresholds are not in order.
    """

    def __init__(
        self,
        model: nn.Module,
        names: Sequence[str],
        classes: Sequence[int] | None = None,
        thresholds: tuple[float, float] = (0.01, 0.99),
    ) -> None:
        if thresholds[0] > thresholds[1]:
            raise ValueError(f'thresholds={thresholds}: allowed: the lower one, then the upper one')
        labels = dict.fromkeys(range(len(names)) if classes is None else classes)
        self.excitation = Excitation({label: names[label] for label in labels})
        self.thresholds = thresholds
        self.labels = torch.empty(0, dtype=torch.long)
        # Labels to rows: classes that are not recorded share the last row.
        self._rows = torch.full((len(names),), len(labels))
        self._rows[list(labels)] = torch.arange(len(labels))
        self._gates = find_gates(model)
        self._handles = [
            gate.register_forward_hook(lambda _, args, out, name=name: self._record(name, out))
            for name, gate in self._gates.items()
        ]

    def remove(self) -> None:
        """Leave the network as it was.

        Raises:
            RuntimeError: A gate has never been called.
        """
        for handle in self._handles:
            handle.remove()
        if silent := self._gates.keys() - self.excitation.blocks.keys():
            raise RuntimeError(
                f'no gates were recorded in {", ".join(sorted(silent))}: '
                'the network runs past the modules (compiled, or never called)'
            )
        blocks = self.excitation.blocks
        self.excitation.blocks = {name: blocks[name] for name in self._gates}

    def _record(self, name: str, gate: Tensor) -> None:
        """Take in the gates of the first ``len(labels)`` images, (N, C, ...)."""
        gate = gate.detach()[: len(self.labels)].cpu().double()
        gate = gate.reshape(*gate.shape[:2], gate.shape[2:].numel())
        blocks = self.excitation.blocks
        if name not in blocks:
            blocks[name] = BlockStats.zeros(len(self.excitation.names) + 1, gate.shape[1])
        low, high = self.thresholds
        blocks[name].classes.add(gate.mean(2), self._rows[self.labels])
        blocks[name].low += (gate < low).double().mean(2).sum(0)
        blocks[name].high += (gate > high).double().mean(2).sum(0)
