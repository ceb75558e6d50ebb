"""Recalibration layers keep their own initialisation, whatever initialises the network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mmengine.model import BaseModule
from torch import Tensor, nn

from senet_mm.models.scoped_init import loads_checkpoint

# Layers of the networks that are being initialised now.
_kept: set[nn.Module] = set()


def recalibration_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The recalibration layers of a network by their paths; a part of a layer is not one."""
    found: dict[str, nn.Module] = {}
    for path, module in model.named_modules():
        is_part = any(path.startswith(f'{outer}.' if outer else '') for outer in found)
        if getattr(module, 'recalibrates', False) and not is_part:
            found[path] = module
    return found


def layer_states(model: nn.Module) -> dict[str, dict[str, Tensor]]:
    """Copies of the state dicts of the recalibration layers of a network, by their paths."""
    return {
        path: {name: value.clone() for name, value in layer.state_dict().items()}
        for path, layer in recalibration_layers(model).items()
    }


@contextmanager
def own_initialisation(module: nn.Module, states: dict | None = None) -> Iterator[None]:
    """Initialise a network within it: its recalibration layers end with their own weights.

    A network's rule for all convolutions (mmengine's ``init_cfg``) meets those of the layers too.
    Afterwards each layer gets the values back that its constructor gave it, and initialises itself
    if it can (``init_weights``). A network that loads a checkpoint is left as it is.

    Args:
        module: The network.
        states: The values (see :func:`layer_states`); by default those of now.
    """
    if loads_checkpoint(module):
        yield
        return
    states = layer_states(module) | (states or {})
    layers = {
        path: layer
        for path, layer in recalibration_layers(module).items()
        if layer not in _kept  # whoever came first does it, once
    }
    _kept.update(layers.values())
    try:
        yield
    finally:
        _kept.difference_update(layers.values())
    for path, layer in layers.items():
        layer.load_state_dict(states[path])
        _initialise(layer)


def _initialise(layer: nn.Module) -> None:
    """Have a layer initialise itself, all of it, if it can."""
    init_weights = getattr(layer, 'init_weights', None)
    if init_weights is None:
        return
    for part in layer.modules():
        if isinstance(part, BaseModule):
            part._is_init = False  # else it does nothing the second time
    init_weights()


class KeepsLayers:
    """The ``init_weights`` of a network within :func:`own_initialisation`.

    To be set on a network, for whoever initialises it. The values are those of the moment at which
    it is set: a model around the network may have a rule of its own and apply it first. Deepcopy
    and pickle take it along.

    Args:
        module: The network.
        init_weights: The method of its class.
    """

    def __init__(self, module: nn.Module, init_weights: Callable[..., None]) -> None:
        self.module = module
        self.init_weights = init_weights
        self.states = layer_states(module)

    def __call__(self, *args: object, **kwargs: object) -> None:
        states, self.states = self.states, {}
        with own_initialisation(self.module, states):
            self.init_weights(self.module, *args, **kwargs)
