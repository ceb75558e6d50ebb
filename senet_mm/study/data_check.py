"""Whether the data of configs is there, before the first of them is trained."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from senet_mm.engine.sizing import LOADERS, build_quietly
from senet_mm.utils.errors import MissingFileError

if TYPE_CHECKING:
    from mmengine.config import Config


def check_data(configs: Mapping[str, 'Config']) -> None:
    """Build the data sets of training and validation; one that several share is built once.

    Args:
        configs: Configs by name.

    Raises:
        FileNotFoundError: A folder or a file is not there.
        ValueError: A data set cannot be built.
    """
    built = []
    for name, cfg in configs.items():
        for loader in LOADERS[:2]:
            dataset = (cfg.to_dict().get(loader) or {}).get('dataset')
            if not dataset or dataset in built:
                continue
            try:
                build_quietly(dataset)
            except FileNotFoundError as error:
                raise MissingFileError(f'config {name}: {error}') from error
            built.append(dataset)
