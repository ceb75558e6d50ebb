"""Recalibration layers keep their own initialisation, whatever initialises the network."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from senet_mm.models.scoped_init import loads_checkpoint


def recalibration_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The recalibration layers of a network by their paths; a part of a layer is not one."""
    found = {}
    for path, module in model.named_modules():
        is_part = any(path.startswith(f'{outer}.' if outer else '') for outer in found)
        if getattr(module, 'recalibrates', False) and not is_part:
            found[path] = module
    return found


@contextmanager
def own_initialisation(module: nn.Module) -> Iterator[None]:
    """Initialise a network within it: its recalibration layers end with their own weights.

    A network's rule for all convolutions (mmengine's ``init_cfg``) meets those of the layers too.
    Afterwards each layer gets the values back that its constructor gave it, and initialises itself
    if it can (``init_weights``). A network that loads a checkpoint is left as it is.
    """
    if loads_checkpoint(module):
        yield
        return
    layers = [
        layer
        for layer in recalibration_layers(module).values()
        if not getattr(layer, 'is_kept', False)  # whoever came first does it, once
    ]
    states = [{k: v.clone() for k, v in layer.state_dict().items()} for layer in layers]
    for layer in layers:
        layer.is_kept = True
    try:
        yield
    finally:
        for layer in layers:
            del layer.is_kept
    for layer, state in zip(layers, states, strict=True):
        layer.load_state_dict(state)
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

    To be set on a network, for whoever initialises it; deepcopy and pickle take it along.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, *args, **kwargs) -> None:
        with own_initialisation(self.module):
            type(self.module).init_weights(self.module, *args, **kwargs)
