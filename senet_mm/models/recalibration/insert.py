"""Put recalibration layers into any network."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from torch import Tensor, nn

from senet_mm.models.layers import build_layer
from senet_mm.registry import MODELS
from senet_mm.utils.meta import run_on_meta
from senet_mm.utils.options import check_option

from .ports import SLOT, Port, find_ports, ports_of

POSITIONS = ('standard', 'pre', 'post', 'identity', 'conv3x3')


class Site(NamedTuple):
    """A place for a layer.

    Attributes:
        name: Path of the block in the backbone.
        block: The block.
        port: Where in the block the layer acts; ``slot`` is the block's own slot ``se``.
    """

    name: str
    block: nn.Module
    port: Port | str


class Probe(NamedTuple):
    """What one forward pass says of a site: channels at the port, stage of the block."""

    channels: int
    stage: int


class InputHook:
    """Applies a layer to the first input of a module.

    An object, not a closure: deepcopy and pickle take the layer along.
    """

    def __init__(self, layer: nn.Module) -> None:
        self.layer = layer

    def __call__(self, module: nn.Module, args: tuple) -> tuple:
        return (self.layer(args[0]), *args[1:])


class OutputHook(InputHook):
    """Applies a layer to the output of a module."""

    def __call__(self, module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        return self.layer(output)


def insert_se(
    backbone: nn.Module,
    layer: dict,
    position: str = 'standard',
    stages: Sequence[int] | None = None,
    stage_cfg: dict[int, dict] | None = None,
    port: dict | None = None,
    input_size: int = 224,
) -> list[str]:
    """Put a recalibration layer into every block of a network, in place.

    The layers become part of the blocks: ``BLOCK.se`` at the standard position, ``BLOCK.pre.se``
    and so on at the others, so that all other names stay as they are.

    Args:
        backbone: The network.
        layer: Config of the layer; it is built once per block with the ``channels`` at its port.
        position: Where in the block (paper, figure 5): ``standard`` on the residual branch, ``pre``
            before it, ``post`` after the addition, ``identity`` on the shortcut, ``conv3x3`` after
            the 3x3 convolution (table 15).
        stages: Stages that get a layer, all by default. A stage is the binary logarithm of the
            stride at the block's output: 2 to 5 in an ImageNet ResNet, SE_2 to SE_5 in the paper.
        stage_cfg: Changes of ``layer`` by stage: ``{2: dict(ratio=32)}``.
        port: For a network that the table does not know: ``dict(block=REGEX, path='conv2',
            side='out')``; the regular expression matches the whole path of a block.
        input_size: Side of the image for the probe.

    Returns:
        Paths of the layers in the backbone.

    Raises:
        ValueError: No block has the position, a block has a layer there already, or a port is a
            batch norm, does not see a map (N, C, H, W), or is not used exactly once per forward.
    """
    check_option('position', position, POSITIONS)
    sites = _custom_sites(backbone, **port) if port else _known_sites(backbone, position)
    for site in sites:
        _check(site, position)
    probes = _probe(backbone, sites, input_size)
    known = sorted({probe.stage for probe in probes})
    for stage in (*(stages or ()), *(stage_cfg or {})):
        check_option('stage', stage, known)
    names = []
    for site, probe in zip(sites, probes, strict=True):
        if stages is None or probe.stage in stages:
            cfg = {**layer, **(stage_cfg or {}).get(probe.stage, {})}
            names.append(_attach(site, position, build_layer(cfg, probe.channels), probe.stage))
    return names


@MODELS.register_module()
def with_se(backbone: dict | nn.Module, se: dict) -> nn.Module:
    """A backbone with recalibration layers in it, for mmdet, mmseg and plain PyTorch.

    ``dict(type='senet_mm.with_se', backbone=dict(type='ResNet', ...), se=dict(layer=...))``

    Args:
        backbone: The network, or its config in the default scope.
        se: Arguments of :func:`insert_se`.
    """
    if isinstance(backbone, dict):
        backbone = MODELS.build(backbone)
    insert_se(backbone, **se)
    return backbone


def _known_sites(backbone: nn.Module, position: str) -> list[Site]:
    """The blocks that the table knows, with their ports for a position."""
    table = ports_of(backbone)
    blocks = {
        name: (block, ports)
        for name, block in backbone.named_modules()
        if (ports := find_ports(block, table)) is not None
    }
    network = type(backbone).__name__
    if not blocks:
        raise ValueError(
            f'{network} has no block that the table of ports knows; '
            "allowed: a port of its own, port=dict(block=REGEX, path='conv2', side='out')"
        )
    sites = [
        Site(name, block, ports[position])
        for name, (block, ports) in blocks.items()
        if position in ports
    ]
    if not sites:
        allowed = sorted({position for _, ports in blocks.values() for position in ports})
        raise ValueError(
            f'position={position!r} does not exist in {network}; allowed: {", ".join(allowed)}'
        )
    if position == 'identity':
        for site in sites:  # a shortcut without a module of its own gets one
            if site.block.downsample is None:
                site.block.downsample = nn.Identity()
    return sites


def _custom_sites(backbone: nn.Module, block: str, path: str = '', side: str = 'out') -> list[Site]:
    """The blocks whose path matches a regular expression."""
    check_option('side', side, ('in', 'out'))
    sites = [
        Site(name, module, Port(path, side))
        for name, module in backbone.named_modules()
        if re.fullmatch(block, name)
    ]
    if not sites:
        raise ValueError(f'block={block!r} matches no module of {type(backbone).__name__}')
    return sites


def _target(site: Site) -> nn.Module:
    """The module to probe: that of the port; a slot has the map of the block's output."""
    return site.block if site.port == SLOT else site.block.get_submodule(site.port.path)


def _check(site: Site, position: str) -> None:
    """Whether a layer can be attached to a site."""
    taken = getattr(site.block, 'se' if position == 'standard' else position, None)
    if taken is not None:
        raise ValueError(f'block {site.name} has a layer at position={position!r} already')
    try:
        target = _target(site)
    except AttributeError:
        raise ValueError(f'block {site.name} has no {site.port.path!r}') from None
    if isinstance(target, _BatchNorm):
        raise ValueError(
            f'block {site.name}: {site.port.path} is a batch norm, which SyncBN conversion and '
            'fusion replace; allowed: any other module'
        )


def _probe(backbone: nn.Module, sites: list[Site], input_size: int) -> list[Probe]:
    """Channels and stages of all sites, by one forward pass that proves that each is used once."""
    seen: dict[str, list] = {site.name: [] for site in sites}
    outputs: dict[str, list] = {site.name: [] for site in sites}
    handles = []
    for site in sites:
        handles.append(site.block.register_forward_hook(_Recorder(outputs[site.name]).output))
        recorder = _Recorder(seen[site.name])
        if site.port != SLOT and site.port.side == 'in':
            handles.append(_target(site).register_forward_pre_hook(recorder.input))
        else:
            handles.append(_target(site).register_forward_hook(recorder.output))
    channels = next(m.in_channels for m in backbone.modules() if isinstance(m, nn.Conv2d))
    try:
        run_on_meta(backbone, (channels, input_size, input_size))
    finally:
        for handle in handles:
            handle.remove()
    return [
        Probe(
            _only_map(site, seen[site.name]).shape[1],
            round(math.log2(input_size / outputs[site.name][0].shape[2])),
        )
        for site in sites
    ]


class _Recorder:
    """Hooks that keep what goes into or comes out of a module."""

    def __init__(self, seen: list) -> None:
        self.seen = seen

    def input(self, module: nn.Module, args: tuple) -> None:
        self.seen.append(args[0])

    def output(self, module: nn.Module, args: tuple, output: Tensor) -> None:
        self.seen.append(output)


def _only_map(site: Site, seen: list) -> Tensor:
    """The one map that was seen at a site."""
    if len(seen) == 1 and isinstance(seen[0], Tensor) and seen[0].dim() == 4:
        return seen[0]
    how = f'{len(seen)} times' if len(seen) != 1 else 'with something else than a map'
    raise ValueError(
        f'block {site.name}: {site.port} is used {how} in a forward pass; '
        'allowed: once, with a map (N, C, H, W)'
    )


def _attach(site: Site, position: str, layer: nn.Module, stage: int) -> str:
    """Make a layer part of a block and let it act; returns its path in the backbone."""
    like = next(site.block.parameters(), None)
    if like is not None:
        layer.to(like.device, like.dtype)
    layer.train(site.block.training)
    layer.stage, layer.port = stage, f'{site.port} of {site.name}'
    name = 'se' if position == 'standard' else position
    setattr(site.block, name, layer if name == 'se' else nn.ModuleDict(dict(se=layer)))
    if site.port != SLOT and site.port.side == 'in':
        _target(site).register_forward_pre_hook(InputHook(layer))
    elif site.port != SLOT:
        _target(site).register_forward_hook(OutputHook(layer))
    return f'{site.name}.{name}' if name == 'se' else f'{site.name}.{name}.se'
