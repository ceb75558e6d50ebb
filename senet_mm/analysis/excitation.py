"""Statistics of a network's gates on a data set (Hu et al., arXiv:1709.01507, section 7.2)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from mmengine.dist import all_gather
from torch import Tensor, nn

from senet_mm.utils.errors import InputError

from .gates import watch_gate
from .moments import Moments, pool
from .names import find_gates


@dataclass
class BlockStats:
    """Statistics of the gates of one block.

    Attributes:
        classes: Moments of each channel's gate over the images of a class, (K + 1, C): one row for
            each of K recorded classes, the last row for all other classes.
        low, high: Images whose gate is below the lower or above the upper threshold, (C,).
    """

    classes: Moments
    low: Tensor
    high: Tensor

    @classmethod
    def zeros(cls, rows: int, channels: int) -> 'BlockStats':
        """Empty statistics."""
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
        """Number of images by label of the recorded classes."""
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
    averaged over them; a gate of positions alone, (N, 1, H, W), counts as one channel. Statistics
    are kept in double precision on the CPU.

    Args:
        model: The network.
        names: Names of all classes of the data set.
        classes: Labels of the classes to record one by one, by default each. Images of other
            classes still count in the statistics of all images.
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
            raise InputError(f'thresholds={thresholds}: allowed: the lower one, then the upper one')
        labels = dict.fromkeys(range(len(names)) if classes is None else classes)
        self.excitation = Excitation({label: names[label] for label in labels})
        self.thresholds = thresholds
        self.labels = torch.empty(0, dtype=torch.long)
        # Labels to rows: classes that are not recorded share the last row.
        self._rows = torch.full((len(names),), len(labels))
        self._rows[list(labels)] = torch.arange(len(labels))
        self._layers = find_gates(model)
        self._handles = [
            watch_gate(layer, partial(self._record, name)) for name, layer in self._layers.items()
        ]

    def remove(self) -> None:
        """Leave the network as it was.

        Raises:
            RuntimeError: A gate has never been called.
        """
        for handle in self._handles:
            handle.remove()
        if silent := self._layers.keys() - self.excitation.blocks.keys():
            raise RuntimeError(
                f'no gates were recorded in {", ".join(sorted(silent))}: '
                'the network runs past the modules (compiled, or never called)'
            )
        blocks = self.excitation.blocks
        self.excitation.blocks = {name: blocks[name] for name in self._layers}

    def _record(self, name: str, gate: Tensor) -> None:
        """Add the gates (N, C, ...) of the first ``len(labels)`` images to the statistics.

        Raises:
            ValueError: The shape does not say which axis is the channels.
        """
        if gate.dim() not in (2, 4):
            raise InputError(
                f'the gate of {name} is {tuple(gate.shape)}; '
                'allowed: (N, C), (N, C, 1, 1), (N, 1, H, W) or (N, C, H, W)'
            )
        gate = gate.detach()[: len(self.labels)].cpu().double()
        gate = gate.reshape(*gate.shape[:2], gate.shape[2:].numel())
        blocks = self.excitation.blocks
        if name not in blocks:
            blocks[name] = BlockStats.zeros(len(self.excitation.names) + 1, gate.shape[1])
        low, high = self.thresholds
        blocks[name].classes.add(gate.mean(2), self._rows[self.labels])
        blocks[name].low += (gate < low).double().mean(2).sum(0)
        blocks[name].high += (gate > high).double().mean(2).sum(0)
