"""Weights by the names under which timm and mmpretrain publish them: ``timm://seresnet50.a1_in1k``.

The address stands in the installed package; what is fetched must have the hash in its name.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from senet_mm.engine.weights.download import fetch
from senet_mm.engine.weights.notes import note
from senet_mm.registry import FUNCTIONS
from senet_mm.utils.errors import InputError, MissingModuleError
from senet_mm.utils.options import check_option

from .convert import read_as_ours
from .hub_config import HubConfig, describe_images
from .networks import TIMM_NETWORKS, get_network_config
from .target import Target

# Name in mmpretrain -> the network, by its architecture in timm.
MMPRETRAIN_NETWORKS = {
    **{f'resnet{depth}_8xb32_in1k': f'resnet{depth}' for depth in (18, 34, 50, 101, 152)},
    **{f'resnext{depth}-32x4d_8xb32_in1k': f'resnext{depth}_32x4d' for depth in (50, 101)},
    **{f'seresnet{depth}_8xb32_in1k': f'seresnet{depth}' for depth in (50, 101)},
}


class Published(NamedTuple):
    """Weights that somebody publishes.

    Attributes:
        url: Their address, with a hash.
        architecture: The network, by its name in timm.
        preprocessing: How images are prepared, where the project says it with the address.
        license: Their licence, None where it is not stated.
    """

    url: str
    architecture: str
    preprocessing: dict[str, Any] = {}
    license: str | None = None


def find_in_timm(name: str) -> Published:
    """The weights with a name of timm: ``seresnet50.a1_in1k``; without a tag, timm's default."""
    try:
        from timm.models import get_pretrained_cfg
    except ImportError as error:
        raise MissingModuleError(
            f'timm://{name} needs timm, which is not installed; allowed: pip install timm, or the '
            'folder of the hub that holds the weights'
        ) from error
    architecture = name.partition('.')[0]
    check_option(f'timm://{name}: architecture', architecture, TIMM_NETWORKS)
    try:
        found = get_pretrained_cfg(name)
    except RuntimeError as error:
        raise InputError(f'timm://{name}: timm has no such weights') from error
    fields = found.to_dict() if found else {}
    if not fields.get('url'):
        raise InputError(
            f'timm://{name}: timm has no address with a hash for it; allowed: the folder of the '
            'hub that holds the weights'
        )
    fields['input_size'] = list(fields['input_size'])
    config = HubConfig(
        Path(name), architecture, fields['num_classes'], fields['input_size'][0], None, fields, None
    )
    return Published(fields['url'], architecture, describe_images(config), fields.get('license'))


def find_in_mmpretrain(name: str) -> Published:
    """The weights with a name of mmpretrain: ``seresnet50_8xb32_in1k``."""
    from mmpretrain.apis.model import ModelHub

    check_option(f'mmpretrain://{name}: name', name, MMPRETRAIN_NETWORKS)
    return Published(ModelHub.get(name).weights, MMPRETRAIN_NETWORKS[name])


# The projects, which are kinds of formats as well.
PROJECTS: dict[str, Callable[[str], Published]] = {
    'mmpretrain': find_in_mmpretrain,
    'timm': find_in_timm,
}


@FUNCTIONS.register_module()
def read_published(project: str, name: str) -> dict[str, Any]:
    """Weights by the name under which a project publishes them, as a checkpoint of ours.

    Args:
        project: One of ``PROJECTS``.
        name: The name there.

    Raises:
        InputError: There are no such weights, their network is none of ours, or what is fetched
            has another hash.
        ConnectionError: They cannot be fetched.
        ImportError: timm is not installed.
    """
    found = PROJECTS[project](name)
    config = TIMM_NETWORKS[found.architecture].config
    target = Target(config, get_network_config(found.architecture))
    checkpoint, done = read_as_ours(
        project, fetch(found.url), target, preprocessing=found.preprocessing
    )
    checkpoint['meta']['license'] = found.license
    for line in f'{project}://{name}: {done.describe(config, "from", "sorted")}'.splitlines():
        note(line)
    return checkpoint
