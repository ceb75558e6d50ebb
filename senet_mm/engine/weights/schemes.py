"""Where a checkpoint may come from: a file, a URL with a hash, or a name that stands for one."""

import os
import re
from collections.abc import Callable

from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import (
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)

from senet_mm.registry import FUNCTIONS

from .download import load_from_url
from .safe_load import load_from_local
from .state_dict import get_state_dict, under_prefix

SCHEME = re.compile(r'([\w+.-]+(?::[\w+.-]+)*)://')


def openmmlab_models() -> dict[str, str | None]:
    """mmengine's addresses by name, deprecated names included."""
    models = get_external_models()
    renamed = {old: models.get(new) for old, new in get_deprecated_model_names().items()}
    return {**renamed, **models}


# Schemes of names -> mmengine's tables of their addresses.
ZOOS: dict[str, Callable[[], dict[str, str | None]]] = {
    'mmcls': get_mmcls_models,
    'modelzoo': get_torchvision_models,
    'open-mmlab': openmmlab_models,
    'openmmlab': openmmlab_models,
    'torchvision': get_torchvision_models,
}
# Projects whose published weights are converted when they are read.
PROJECTS = ('mmpretrain', 'timm')


def load_from_anywhere(filename: str, map_location: str | None = None) -> object:
    """Read a checkpoint from wherever its name says, as data; over the network only with a hash.

    It replaces all loaders of mmengine for the whole process, ``init_cfg`` included: those fall
    back to full unpickling, which runs the code in a file, and check no hash.

    Args:
        filename: Path, also of a folder in the layout of timm's hub, URL (see
            :func:`senet_mm.engine.weights.download.fetch`), ``torchvision://NAME``, or a name
            under which timm or mmpretrain publishes weights: ``timm://seresnet50.a1_in1k``.
        map_location: Device to which tensors are read.

    Raises:
        ValueError: The scheme or the name is not known, or the address has no hash.
    """
    match = SCHEME.match(filename)
    if not match:
        return _load_from_path(filename, map_location)
    scheme, name = match[1], filename[match.end() :]
    if scheme in ('http', 'https'):
        return load_from_url(filename, map_location)
    if scheme in PROJECTS:
        return FUNCTIONS.get('read_published')(scheme, name)
    if scheme not in ZOOS:
        raise ValueError(
            f'checkpoint {filename} is refused: {scheme}:// is not read; allowed: a path, '
            f'http(s)://ADDRESS#sha256=HEX, {"://NAME, ".join(sorted([*ZOOS, *PROJECTS]))}://NAME'
        )
    url = ZOOS[scheme]().get(name)
    if url is None:
        raise ValueError(f'checkpoint {filename}: {scheme}:// has no {name}')
    checkpoint = load_from_url(url, map_location)
    return _backbone(checkpoint, filename) if scheme == 'mmcls' else checkpoint


def _load_from_path(path: str, map_location: str | None) -> object:
    """A file, or a folder in the layout of timm's hub."""
    path = os.path.expanduser(path)
    if os.path.isdir(path):
        # By its name: the converters are above the engine.
        return FUNCTIONS.get('read_hub_folder')(path, map_location)
    return load_from_local(path, map_location)


def _backbone(checkpoint: object, filename: str) -> dict:
    """The backbone of a classifier, for a detector: the meaning of ``mmcls://``."""
    return {'state_dict': under_prefix(get_state_dict(checkpoint, filename), 'backbone.')}


def register() -> None:
    """Put :func:`load_from_anywhere` in the place of every loader that mmengine has."""
    CheckpointLoader.register_scheme(
        prefixes=list(CheckpointLoader._schemes), loader=load_from_anywhere, force=True
    )


register()
