"""A folder in the layout of timm's hub, ``config.json`` and weights, as a checkpoint of ours."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from senet_mm.engine.weights.checkpoint import load_from_local
from senet_mm.engine.weights.notes import note
from senet_mm.engine.weights.origin import read_origin
from senet_mm.registry import FUNCTIONS
from senet_mm.utils.errors import InputError, MissingFileError
from senet_mm.utils.options import check_option

from .convert import read_as_ours
from .hub_config import CONFIG, HubConfig, read_hub_config
from .hub_contradictions import read_section
from .networks import TIMM_NETWORKS, get_network_config, is_network
from .recognition import recognise
from .state_dicts import from_state_dict
from .target import Target
from .tensor_files import tensors_in

# In the order in which timm looks for them.
WEIGHTS = ('model.safetensors', 'pytorch_model.bin', 'pytorch_model.pth', 'model.pth')
# Architectures of ours that timm does not have begin with this.
OURS = 'senet_mm/'
# In our part of the file: the first convolution was turned from BGR to RGB.
REVERSED = 'channels_reversed'


@FUNCTIONS.register_module()
def read_hub_folder(folder: str | os.PathLike, map_location: str | None = None) -> dict[str, Any]:
    """The weights in a folder of timm's hub as a checkpoint of ours: state dict and meta.

    Tensors with timm's names are converted to ours, with the lines that ``convert.py`` prints. The
    files are read as data; only their own names are looked for.

    Args:
        folder: It has a ``config.json`` that timm wrote, or ``publish_model.py --hub``.
        map_location: Device to which tensors are read.

    Raises:
        FileNotFoundError: There are no weights, or no config.
        InputError: A file is damaged, or the network is none of ours.
    """
    folder = Path(folder)
    if not os.path.lexists(folder / CONFIG):
        raise InputError(
            f'checkpoint {folder} is a folder without {CONFIG}; allowed: a file, or a folder in '
            "the layout of timm's hub"
        )
    config = read_hub_config(folder / CONFIG)
    if config.section is not None:
        config = config._replace(section=read_section(config))
    weights = _find_weights(folder)
    if config.architecture in TIMM_NETWORKS:
        checkpoint = _read_timm(config, weights)
    elif config.section is not None and config.architecture.startswith(OURS):
        tensors = tensors_in(load_from_local(weights, 'cpu'), weights)
        checkpoint = dict(state_dict=tensors, meta=dict(config.section))
    else:
        check_option(f'{config.file}: architecture', config.architecture, TIMM_NETWORKS)
    state = checkpoint['state_dict']
    checkpoint['state_dict'] = {
        name: value.to(map_location or 'cpu') for name, value in state.items()
    }
    return checkpoint


def _find_weights(folder: Path) -> Path:
    found = (folder / name for name in WEIGHTS if os.path.lexists(folder / name))
    if (weights := next(found, None)) is None:
        raise MissingFileError(f'{folder} has no weights; allowed: {", ".join(WEIGHTS)}')
    return weights


def _read_timm(config: HubConfig, weights: Path) -> dict[str, Any]:
    """The weights of a network of timm."""
    name = TIMM_NETWORKS[config.architecture].config
    cfg = get_network_config(config.architecture, config.num_classes, config.in_channels)
    target = Target(name, cfg)
    if config.section is None:
        checkpoint, done = read_as_ours('timm', weights, target)
        for line in f'{weights.parent}: {done.describe(name, "from", "sorted")}'.splitlines():
            note(line)
        return checkpoint
    state = _read_ours(config, weights, target)
    if config.section.get(REVERSED) is True:
        state = reverse_channels(state)
    return dict(state_dict=state, meta=dict(config.section))


def _read_ours(config: HubConfig, weights: Path, target: Target) -> dict[str, Tensor]:
    """The state dict of a network of ours that timm has, from a file with timm's names."""
    described = read_origin(dict(meta=config.section), str(config.file)).config
    if described and not is_network(described, config.architecture):
        raise InputError(
            f'{config.file} has the architecture {config.architecture}, and the config of another '
            'network; allowed: the same in both'
        )
    tensors = tensors_in(load_from_local(weights, 'cpu'), weights)
    try:
        return from_state_dict(tensors, recognise('timm', tensors), target)[0]
    except ValueError as error:
        raise InputError(f'{weights}: {error}') from error


def reverse_channels(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of ours whose first convolution, (out, 3, ...), takes RGB for BGR, or back."""
    first = next(name for name, value in state.items() if value.dim() == 4)
    return {**state, first: state[first].flip(1).contiguous()}
