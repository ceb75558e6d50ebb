"""Recalibration layers keep their own initialisation, whatever initialises the network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mmengine.model import BaseModule
from torch import Tensor, nn

from senet_mm.models.scoped_init import loads_checkpoint

# Layers of the networks that are being initialised now, so that nested calls do not do it twice.
_kept: set[nn.Module] = set()


def recalibration_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The recalibration layers of a network by path; a layer within another one is not listed."""
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
    """Context in which a network is initialised: its recalibration layers keep their own weights.

    A network's rule for all convolutions (mmengine's ``init_cfg``) also changes those of the
    layers. On leaving the context each layer gets back the values that its constructor gave it,
    then its ``init_weights()`` is called if it has one. A network that loads a checkpoint keeps the
    checkpoint's values.

    Args:
        module: The network.
        states: The values to restore (see :func:`layer_states`); by default those on entry.
    """
    if loads_checkpoint(module):
        yield
        return
    states = layer_states(module) | (states or {})
    layers = {
        path: layer
        for path, layer in recalibration_layers(module).items()
        if layer not in _kept  # the outermost context restores them
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
    """Call ``init_weights`` of a layer, if it has one, for all of its parts."""
    init_weights = getattr(layer, 'init_weights', None)
    if init_weights is None:
        return
    for part in layer.modules():
        if isinstance(part, BaseModule):
            part._is_init = False  # else mmengine skips it the second time
    init_weights()


class KeepsLayers:
    """A network's ``init_weights``, called within :func:`own_initialisation`.

    It is set on the network as its ``init_weights``, and survives deepcopy and pickle. It saves the
    values of the layers when it is made: a model around the network may apply its own rule first.

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
