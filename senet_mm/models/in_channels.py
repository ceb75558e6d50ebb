"""The number of channels of the images that a network takes."""

import inspect
from collections.abc import MutableMapping
from contextlib import ExitStack

from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.building import find_registered
from senet_mm.utils.errors import InputError
from senet_mm.utils.meta import computing_once, run_on_meta
from senet_mm.utils.options import check_integer

SIDE = 224


def find_stem(network: nn.Module, side: int = SIDE) -> list[str]:
    """Names of the convolutions that see the image, in the order in which they run.

    These are all that get the image itself; where it is changed before, as by padding, it is the
    first convolution that runs. They are found in a forward pass on the meta device, not by name.

    Args:
        network: A backbone or a classifier.
        side: Side of the image, pixels. A network for images of another size alone may fail behind
            its stem.
    """
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    if not convs:
        return []
    channels = convs[0].in_channels
    stem = _watch(network, channels, side)
    if stem and (actual := _get_conv(network, stem[0]).in_channels) != channels:
        stem = _watch(network, actual, side)
    return stem


def _get_conv(network: nn.Module, name: str) -> nn.Conv2d:
    conv = network.get_submodule(name)
    assert isinstance(conv, nn.Conv2d)
    return conv


def _watch(network: nn.Module, channels: int, side: int) -> list[str]:
    images: list[Tensor] = []
    seen: list[tuple[str, Tensor]] = []

    def note_image(module: nn.Module, args: tuple) -> None:
        images.append(args[0])

    with ExitStack() as hooks:
        hooks.callback(network.register_forward_pre_hook(note_image).remove)
        for name, module in network.named_modules():
            if isinstance(module, nn.Conv2d):

                def note(module: nn.Module, args: tuple, name: str = name) -> None:
                    seen.append((name, args[0]))

                hooks.callback(module.register_forward_pre_hook(note).remove)
        try:
            with computing_once(network):
                run_on_meta(network, (channels, side, side))
        except Exception:
            if not seen:  # what follows the stem does not matter
                raise
    return [name for name, x in seen if x is images[0]] or [name for name, _ in seen[:1]]


def exchange_stem(network: nn.Module, channels: int) -> None:
    """Let a network that has no argument for it take images of another number of channels.

    The convolutions of its stem get new, initialised weights in place.

    Args:
        network: The backbone.
        channels: Channels of the images.

    Raises:
        InputError: It has no such convolution.
    """
    check_integer('in_channels', channels)
    convs = [_get_conv(network, name) for name in find_stem(network)]
    if not convs or any(conv.groups != 1 for conv in convs):
        raise InputError(
            f'in_channels={channels}: {type(network).__name__} has no convolution that could take '
            'such images; allowed: another backbone'
        )
    for conv in convs:
        if conv.in_channels != channels:
            shape = (conv.out_channels, channels, *conv.kernel_size)
            conv.in_channels = channels
            frozen = not conv.weight.requires_grad
            conv.weight = nn.Parameter(conv.weight.new_empty(shape), requires_grad=not frozen)
            conv.reset_parameters()


def get_in_channels(model: MutableMapping) -> int | None:
    """The channels of the images that the ``model`` of a config takes; None if it does not say."""
    backbone = model.get('backbone') or {}
    own = backbone.get('in_channels', _get_default(backbone.get('type')))
    return model.get('in_channels') or own


def set_in_channels(model: MutableMapping, channels: int) -> None:
    """Set the channels of the images that the ``model`` of a config takes.

    ``model.backbone`` gets the number where its class has an argument for it, else the classifier,
    see :func:`exchange_stem`.
    """
    backbone = model['backbone']
    if 'in_channels' in backbone or _get_default(backbone.get('type')) is not None:
        backbone['in_channels'] = channels
    else:
        model['in_channels'] = channels


def _get_default(kind: object) -> int | None:
    """The default of ``in_channels`` of a backbone; None where it has no such argument."""
    # Not imported: the config may be a stranger's.
    kind = find_registered(kind, MODELS) if isinstance(kind, str) else kind
    for cls in kind.__mro__ if inspect.isclass(kind) else ():
        init = vars(cls).get('__init__')
        parameters = inspect.signature(init).parameters if inspect.isfunction(init) else {}
        if 'in_channels' in parameters:
            default = parameters['in_channels'].default
            return default if isinstance(default, int) else None
    return None
