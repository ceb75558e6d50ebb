"""The blocks of a network in which a layer is to act, and where it is kept there.

Where a layer acts (its port) and where it is kept (its name in the state dict) are two things. A
layer is kept in its block: to freeze, copy or take out the block does so with the layer. But code
that runs the children of a ``Sequential``, ``ModuleList`` or ``ModuleDict`` would run a layer among
them as well, and a block runs what is in its own slot ``se``. A layer that a hook applies must not
be kept there, or it would act twice.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from torch import nn

from senet_mm.utils.options import check_option

from .ports import REMEDIES, SLOT, Port, find_ports, known_networks, ports_of

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class Site(NamedTuple):
    """A block and the port at which a layer is to act in it.

    Attributes:
        name: Path of the block in the backbone.
        block: The block.
        port: Where in the block the layer acts; ``SLOT`` is the block's own slot ``se``.
    """

    name: str
    block: nn.Module
    port: Port

    @property
    def target(self) -> nn.Module:
        """The module at whose input or output the layer acts.

        For a slot it is the ``Identity`` in it or, where the slot is None, the block.
        """
        if self.port != SLOT:
            return self.block.get_submodule(self.port.path)
        return self.block.se if isinstance(self.block.se, nn.Module) else self.block


class Shelf(NamedTuple):
    """Where a layer is kept.

    Attributes:
        path: Path in the backbone of the module that keeps it.
        module: That module.
        names: Names from there to the layer, the last one ``se``.
    """

    path: str
    module: nn.Module
    names: tuple[str, ...]

    @property
    def full_path(self) -> str:
        """Path of the layer in the backbone."""
        return join(self.path, *self.names)


def join(*paths: str) -> str:
    """Join paths of modules with dots; empty ones are left out."""
    return '.'.join(filter(None, paths))


def is_empty(slot: object) -> bool:
    """Whether a slot is empty: None, or an ``Identity`` as in our blocks and in timm's."""
    return slot is None or type(slot) is nn.Identity


def known_sites(backbone: nn.Module, position: str) -> list[Site]:
    """The blocks that :mod:`.ports` knows, with their ports for a position."""
    table = ports_of(backbone)
    blocks = {
        name: (block, ports)
        for name, block in backbone.named_modules()
        if (ports := find_ports(block, table)) is not None
    }
    network = type(backbone).__name__
    if not blocks:
        raise ValueError(
            f'{network} has no block that the table of ports knows; allowed: a port of its own, '
            f"port=dict(block=REGEX, path='conv2', side='out'), or a network of {known_networks()}"
        )
    sites = [
        Site(name, block, ports[position])
        for name, (block, ports) in blocks.items()
        if position in ports
    ]
    if not sites:
        allowed = sorted({position for _, ports in blocks.values() for position in ports})
        remedies = {REMEDIES.get((type(b).__module__, position), '') for b, _ in blocks.values()}
        raise ValueError(
            f'position={position!r} does not exist in {network}; allowed: {", ".join(allowed)}'
            + ''.join(f'; {remedy}' for remedy in remedies if remedy)
        )
    return sites


def custom_sites(backbone: nn.Module, port: dict) -> list[Site]:
    """The blocks whose path matches a regular expression.

    Args:
        backbone: The network.
        port: ``dict(block=REGEX, path='conv2', side='out')``; by default the output of the block.
    """
    if not isinstance(port, dict) or 'block' not in port:
        raise ValueError(f"port={port!r}; allowed: dict(block=REGEX, path='conv2', side='out')")
    for key in port:
        check_option('key of port', key, ('block', 'path', 'side'))
    check_option('side', port.get('side', 'out'), ('in', 'out'))
    try:
        regex = re.compile(port['block'])
    except (re.error, TypeError) as error:
        raise ValueError(f'block={port["block"]!r} is no regular expression: {error}') from None
    where = Port(port.get('path', ''), port.get('side', 'out'))
    sites = [
        Site(name, module, where)
        for name, module in backbone.named_modules()
        if regex.fullmatch(name)
    ]
    if not sites:
        raise ValueError(f'block={port["block"]!r} matches no module of {type(backbone).__name__}')
    return sites


def find_shelf(site: Site, position: str, given: str) -> Shelf:
    """Where the layer of a site is to be kept.

    - ``BLOCK.se`` at the standard position, ``BLOCK.pre.se`` and so on at the others.
    - ``BLOCK.port.se`` in a block with a slot ``se``, if the layer acts elsewhere.
    - In a container, the first module inside that can keep a layer: ``BLOCK.0.outer1.se``, where
      the number says how many levels further in that is.

    Args:
        site: The site.
        position: The position, by which the place is named.
        given: What the user gave, for an error: a position or a port.

    Raises:
        ValueError: The port does not exist, is a batch norm, or the place is taken.
    """
    try:
        target = site.target
    except AttributeError:
        raise ValueError(f'block {site.name} has no {site.port.path!r}') from None
    if site.port != SLOT and isinstance(target, _BatchNorm):
        raise ValueError(
            f'{join(site.name, site.port.path)} is a batch norm, which SyncBN conversion and '
            'fusion replace; allowed: any other module'
        )
    names = ('se',) if position == 'standard' else (position, 'se')
    path, keeper = _keeper(site)
    if path:
        names = (f'outer{path.count(".") + 1}', *names)
    elif site.port != SLOT and _is_the_blocks_own(keeper, names):
        names = ('port', *names)
    if not _is_free(keeper, names):
        raise ValueError(
            f'block {site.name} has a layer at {join(site.name, path, *names)} already, where '
            f'{given} would put one; allowed: blocks without'
        )
    return Shelf(join(site.name, path), keeper, names)


def _keeper(site: Site) -> tuple[str, nn.Module]:
    """The module that keeps the layer of a site, by its path in the block."""
    if not isinstance(site.block, CONTAINERS):
        return '', site.block
    for path in _paths_inside(site):
        module = site.block.get_submodule(path)
        # A norm is replaced by SyncBN conversion and fusion; what has no parameters may be shared.
        has_parameters = next(module.parameters(), None) is not None
        if has_parameters and not isinstance(module, (*CONTAINERS, _BatchNorm)):
            return path, module
    raise ValueError(
        f'block {site.name} is a {type(site.block).__name__} in which no module can keep a layer; '
        'allowed: one with a convolution in it'
    )


def _paths_inside(site: Site) -> Iterator[str]:
    """Paths in a block: along the port, then all below it."""
    steps = site.port.path.split('.') if site.port.path else []
    for i in range(len(steps)):
        yield '.'.join(steps[: i + 1])
    for name, _ in site.target.named_modules():
        if name:
            yield join(site.port.path, name)


def _is_the_blocks_own(keeper: nn.Module, names: tuple[str, ...]) -> bool:
    """Whether the first name is one of the block itself, which its ``forward`` may use."""
    if not hasattr(keeper, names[0]):
        return False
    found = getattr(keeper, names[0])
    if names == ('se',):
        return is_empty(found)  # if it is filled, `_is_free` says so
    return not (isinstance(found, nn.ModuleDict) and 'se' in found)


def _is_free(keeper: nn.Module, names: tuple[str, ...]) -> bool:
    """Whether nothing is kept under the names; a module may exist under the first of them."""
    module: nn.Module | None = keeper
    for name in names:
        module = getattr(module, name, None)
        if is_empty(module):
            return True
    return False
