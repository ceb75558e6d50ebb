"""Tile sizes of the Triton kernels: those measured on a device, in ``tiles.json``, else defaults.

The file maps compute capability, pass and memory layout to a :class:`Tile`::

    {"9.0": {"moments": {"channels_last": {"values": 2048, "neighbours": 64, ...}}}}

``tools/benchmarks/gpu/kernels.py`` measures them and writes the file anew.
"""

import functools
import json
from pathlib import Path
from typing import NamedTuple

import torch

from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_mapping, is_integer

FILE = Path(__file__).with_name('tiles.json')
PASSES = ('moments', 'affine_relu', 'grad_sums', 'relu_grad_sums', 'input_grad')
# Passes that sum over positions: a program goes through all positions of its channels.
SUMS = ('moments', 'grad_sums', 'relu_grad_sums')


class Tile(NamedTuple):
    """How a pass is divided among programs; all but ``stages`` are powers of two.

    Attributes:
        values: Values of a tile; 2048 are 16 for each thread of four warps.
        neighbours: At most so many of them side by side in memory: channels of a pixel in the
            channels-last layout, where 64 are a cache line of 128 bytes in 16 bits, else positions.
        warps: Warps of a program, 32 threads each.
        stages: Tiles under way at once in a pass that sums; 1 loads a tile when it is needed.
        programs: A pass that sums divides the channels further while it has fewer programs.
    """

    values: int
    neighbours: int
    warps: int
    stages: int
    programs: int


DEFAULTS = {
    'channels_last': Tile(values=2048, neighbours=64, warps=4, stages=1, programs=256),
    'contiguous': Tile(values=2048, neighbours=512, warps=4, stages=1, programs=256),
}
# Least and greatest of each field.
LIMITS = dict(
    values=(256, 16384), neighbours=(16, 4096), warps=(1, 16), stages=(1, 8), programs=(1, 4096)
)


def layout_name(channels_last: bool) -> str:
    """The key of a memory layout."""
    return 'channels_last' if channels_last else 'contiguous'


def tile_for(name: str, channels_last: bool, device: torch.device) -> Tile:
    """The tile of a pass on a device.

    Raises:
        InputError: ``tiles.json`` is damaged.
    """
    layout = layout_name(channels_last)
    if device.type != 'cuda':  # the interpreter, or compilation for a device that is not there
        return DEFAULTS[layout]
    return measured(FILE).get((_capability(device), name, layout), DEFAULTS[layout])


@functools.cache
def _capability(device: torch.device) -> str:
    """Compute capability of a GPU, such as 9.0."""
    return '{}.{}'.format(*torch.cuda.get_device_capability(device))


@functools.cache
def measured(file: Path) -> dict[tuple[str, str, str], Tile]:
    """(capability, pass, layout) -> tile, as a file has them; nothing of a file that is missing.

    Raises:
        InputError: The file is damaged; the message names the place.
    """
    try:
        content = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(f'{file}: no JSON: {error}') from error
    tiles = {}
    if not isinstance(content, dict):
        raise InputError(f'{file}: {content!r}; allowed: a dict by compute capability')
    for capability, passes in content.items():
        check_mapping(f'{file}: {capability}', passes, PASSES)
        for name, layouts in passes.items():
            check_mapping(f'{file}: {capability}.{name}', layouts, list(DEFAULTS))
            for layout, sizes in layouts.items():
                place = f'{file}: {capability}.{name}.{layout}'
                tiles[capability, name, layout] = read_tile(place, sizes)
    return tiles


def read_tile(place: str, sizes: object) -> Tile:
    """A tile from its dict; an InputError with the place unless it has all sizes, and good ones."""
    check_mapping(place, sizes, Tile._fields)
    assert isinstance(sizes, dict)
    for field, (least, most) in LIMITS.items():
        size = sizes.get(field)
        any_number = field == 'stages'
        if not (
            is_integer(size) and least <= size <= most and (any_number or size.bit_count() == 1)
        ):
            kind = 'whole numbers' if any_number else 'powers of two'
            raise InputError(f'{place}: {field}={size!r}; allowed: {kind} from {least} to {most}')
    tile = Tile(**sizes)
    if tile.neighbours > tile.values:
        raise InputError(
            f'{place}: neighbours={tile.neighbours}; allowed: at most values={tile.values}'
        )
    return tile
