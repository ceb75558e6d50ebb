"""Recalibration layers keep their own initialisation, whatever initialises the network."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from senet_mm.models.scoped_init import loads_checkpoint


def recalibration_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The recalibration layers of a network by their paths; a part of a layer is not one."""
    found = {}
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
        if not getattr(layer, 'is_kept', False)  # whoever came first does it, once
    }
    for layer in layers.values():
        layer.is_kept = True
    try:
        yield
    finally:
        for layer in layers.values():
            del layer.is_kept
    for path, layer in layers.items():
        layer.load_state_dict(states[path])
        _initialise(layer)


def _initialise(layer: nn.Module) -> None:
    """Have a layer initialise itself, all of it, if it can."""
    if not hasattr(layer, 'init_weights'):
        return
    for part in layer.modules():
        if hasattr(part, '_is_init'):  # mmengine's modules do it once
            part._is_init = False
    layer.init_weights()


class KeepsLayers:
    """The ``init_weights`` of a network within :func:`own_initialisation`.

    To be set on a network, for whoever initialises it. The values are those of the moment at which
    it is set: a model around the network may have a rule of its own and apply it first. Deepcopy
    and pickle take it along.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.states = layer_states(module)

    def __call__(self, *args, **kwargs) -> None:
        states, self.states = self.states, {}
        with own_initialisation(self.module, states):
            type(self.module).init_weights(self.module, *args, **kwargs)
