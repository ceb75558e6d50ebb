"""Make layers part of a network, in steps that can all be undone."""

from contextlib import ExitStack

from torch import Tensor, nn

from .sites import Shelf, Site


class _Hook:
    """Applies a layer. An object, not a closure: deepcopy and pickle take the layer along."""

    computes = True  # a part of the network, see `senet_mm.utils.hooks`

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer


class InputHook(_Hook):
    """Applies a layer to the first input of a module."""

    def __call__(self, module: nn.Module, args: tuple) -> tuple:
        return (self.layer(args[0]), *args[1:])


class OutputHook(_Hook):
    """Applies a layer to the output of a module."""

    def __call__(self, module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        return self.layer(output)


def set_module(module: nn.Module, name: str, child: nn.Module, undo: ExitStack) -> None:
    """Set a child of a module; ``undo`` gets a callback that restores the children in order."""
    undo.callback(_restore, module, vars(module).copy(), dict(module._modules))
    setattr(module, name, child)


def _restore(module: nn.Module, attributes: dict, children: dict) -> None:
    """Give a module back the attributes and children that it had."""
    vars(module).clear()
    vars(module).update(attributes)
    module._modules.clear()
    module._modules.update(children)


def add_shortcut(site: Site, undo: ExitStack) -> None:
    """Set an ``Identity`` as the shortcut of a block that has no module there."""
    if site.port.path == 'downsample' and getattr(site.block, 'downsample', site) is None:
        set_module(site.block, 'downsample', nn.Identity(), undo)


def attach(site: Site, shelf: Shelf, layer: nn.Module, undo: ExitStack) -> None:
    """Keep a layer on a shelf and let it act at the port of a site."""
    like = next(site.block.parameters(), None)
    if like is not None:
        layer.to(like.device, like.dtype)
    layer.train(site.block.training)
    target = site.target
    module = shelf.module
    *folders, name = shelf.names
    for folder in folders:
        if getattr(module, folder, None) is None:
            set_module(module, folder, nn.ModuleDict(), undo)
        module = getattr(module, folder)
    set_module(module, name, layer, undo)
    if site.port.side == 'in':
        undo.callback(target.register_forward_pre_hook(InputHook(layer)).remove)
    elif site.port.side == 'out':
        undo.callback(target.register_forward_hook(OutputHook(layer)).remove)
