"""What all recalibration layers share."""

from collections.abc import Mapping
from typing import NamedTuple

from mmengine.registry import DefaultScope
from torch import Tensor, nn

from senet_mm.models.scoped_init import ScopedInit
from senet_mm.registry import MODELS


class ActsAt(NamedTuple):
    """Where ``insert_se`` put a layer: the stage, the port in the block, the path of the block."""

    stage: int
    port: str
    block: str

    def __str__(self) -> str:
        return f'stage {self.stage}, {self.port} of {self.block}'


class RecalibrationLayer(ScopedInit):
    """A layer that multiplies a map (N, C, H, W) by a gate that it makes of the map.

    The contract of a layer, which :func:`build_layer` checks:

    - the constructor takes ``channels``, C, first; the rest is its config;
    - ``forward`` maps (N, C, H, W) to the same shape;
    - ``scale`` gives the gate of (N, C, H, W), which broadcasts to it: (N, C, 1, 1), (N, 1, H, W)
      or (N, C, H, W). The excitation tools record it;
    - ``gate`` is the sub-module whose output is the gate, or part of it, for a hook.

    A module that is not derived from this class may leave out the last two: it is trained like any
    other, and the tools that look at gates do not see it.
    """

    # `build_layer` says the same of a layer that is not derived from this class.
    recalibrates = True
    # For whoever prints the network; None in a layer that is a part of the network's own.
    acts_at: ActsAt | None = None

    @property
    def gates_average(self) -> bool:
        """Whether the layer is ``x * scale(mean(x))``: its gate (N, C, 1, 1) needs no more.

        Then the gate of a normalised map is known before the map (see :mod:`senet_mm.ops`).
        """
        return False

    def scale(self, x: Tensor) -> Tensor:
        """The gate of (N, C, H, W)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Recalibrate (N, C, H, W)."""
        return x * self.scale(x)

    def extra_repr(self) -> str:
        return str(self.acts_at or '')


def build_layer(layer: dict, channels: int) -> nn.Module:
    """A recalibration layer, initialised, whatever the default scope is.

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
    if hasattr(built, 'init_weights') and not on_meta:  # there are no numbers to initialise
        built.init_weights()
    built.recalibrates = True
    return built
