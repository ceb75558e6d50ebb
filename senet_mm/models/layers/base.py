"""The contract of a recalibration layer, and how one is built from its config."""

from collections.abc import Mapping
from typing import NamedTuple

from mmengine.registry import DefaultScope
from torch import Tensor, nn

from senet_mm.models.scoped_init import ScopedInit
from senet_mm.registry import MODELS


class ActsAt(NamedTuple):
    """Where ``insert_se`` put a layer.

    Attributes:
        stage: Stage of the block, numbered as in the paper: 2 to 5 in a ResNet.
        place: The place in the block, in words: ``standard position``, ``output of conv2``.
        block: Path of the block in the backbone.
    """

    stage: int
    place: str
    block: str

    def __str__(self) -> str:
        return f'stage {self.stage}, {self.place} of {self.block}'


class RecalibrationLayer(ScopedInit):
    """A layer that scales a map by a gate computed from it: ``forward(x) = x * scale(x)``.

    The contract, in the paper's symbols (Hu et al., arXiv:1709.01507, section 3):

    - ``__init__(channels, ...)`` takes C, the channels of the map, first; the rest is its config.
    - ``forward(x)`` maps U to X~ (eq. 4), (N, C, H, W) -> (N, C, H, W).
    - ``scale(x)`` maps U to the gate s (eq. 2 and 3), which broadcasts to the map: (N, C, 1, 1) by
      channel, (N, 1, H, W) by position, or (N, C, H, W). The excitation tools record it.
    - ``gate`` is the sub-module whose output is the gate, or a part of it, so that a hook sees it.

    The first two make a layer. A user's module need not derive from this class and may lack the
    last two: it is inserted and trained like any other, but the excitation tools refuse it.
    """

    # Marks the layers of a network. `build_layer` sets it on layers of other classes.
    recalibrates = True
    # Set by `insert_se`, and printed with the network; None in a layer that came another way.
    acts_at: ActsAt | None = None

    @property
    def gates_average(self) -> bool:
        """Whether the gate, (N, C, 1, 1), depends on the spatial mean of the map alone.

        That is ``scale(x) == scale(mean(x))``. The fast forms need it (see :mod:`senet_mm.ops`):
        they compute the gate from the mean, before they normalise the map.
        """
        return False

    def scale(self, x: Tensor) -> Tensor:
        """The gate of a map (N, C, H, W), of a shape that broadcasts to it."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """The recalibrated map, (N, C, H, W) -> (N, C, H, W)."""
        return x * self.scale(x)

    def extra_repr(self) -> str:
        return str(self.acts_at or '')


def build_layer(layer: dict, channels: int) -> nn.Module:
    """Build and initialise a recalibration layer; its type is looked up in scope ``senet_mm``.

    Args:
        layer: Config of the layer: ``dict(type='SELayer', ratio=16)``.
        channels: Channels of the map on which it acts.

    Raises:
        ValueError: The config gives ``channels``, or names no module that takes them.
    """
    if not isinstance(layer, Mapping) or 'channels' in layer:
        raise ValueError(f"layer={layer!r}; allowed: dict(type='SELayer', ...) without channels")
    with DefaultScope.overwrite_default_scope('senet_mm'):
        built = MODELS.build(dict(layer, channels=channels))
    on_meta = any(parameter.is_meta for parameter in built.parameters())
    if hasattr(built, 'init_weights') and not on_meta:  # meta tensors have no values
        built.init_weights()
    built.recalibrates = True
    return built
