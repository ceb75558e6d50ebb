"""The configs of the project by name."""

import difflib
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config

CONFIGS = Path(__file__).parents[2] / 'configs'

# Folders of networks that are no classifiers: other packages build them.
DOWNSTREAM = ('detection',)


def _paths() -> dict[str, Path]:
    return {path.stem: path for path in sorted(CONFIGS.glob('[!_]*/*.py'))}


def list_models(pattern: str = '*') -> list[str]:
    """Names of the classifiers that match a shell pattern: ``list_models('senet*')``."""
    return sorted(
        name
        for name, path in _paths().items()
        if path.parent.name not in DOWNSTREAM and fnmatch(name, pattern)
    )


def find_config(name: str) -> str:
    """Path of the config with a name; a path of an existing file is returned as it is.

    Args:
        name: ``seresnet50_8xb32_in1k``, with or without ``.py``, or a path.

    Raises:
        FileNotFoundError: There is neither.
    """
    if Path(name).is_file():
        return name
    paths = _paths()
    stem = Path(name).stem if name.endswith('.py') else Path(name).name
    if stem in paths and Path(name).parent == Path('.'):
        return str(paths[stem])
    near = difflib.get_close_matches(stem, paths, n=1)
    hint = f'; did you mean {near[0]}?' if near else ''
    raise FileNotFoundError(f'config {name} does not exist{hint}')


def get_config(name: str) -> 'Config':
    """The config with a name or path, see :func:`find_config`."""
    from mmengine.config import Config

    return Config.fromfile(find_config(name))
