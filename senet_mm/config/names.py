"""The configs of the project by name."""

import difflib
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.utils.errors import answering
from senet_mm.utils.files import check_regular_file
from senet_mm.utils.names import printable
from senet_mm.utils.project import PROJECT

if TYPE_CHECKING:
    from mmengine.config import Config

CONFIGS = PROJECT / 'configs'

# Folders of networks that are not classifiers; other packages build them.
DOWNSTREAM = ('detection',)


def _paths() -> dict[str, Path]:
    return {path.stem: path for path in sorted(CONFIGS.glob('[!_]*/*.py'))}


@answering
def list_models(pattern: str = '*') -> list[str]:
    """Names of the classifiers that match a shell pattern: ``list_models('senet*')``."""
    return sorted(
        name
        for name, path in _paths().items()
        if path.parent.name not in DOWNSTREAM and fnmatch(name, pattern)
    )


def is_ours(path: Path) -> bool:
    """Whether a path is in the project's folder of configs."""
    return path.resolve().is_relative_to(CONFIGS.resolve())


def find_project_config(name: str) -> Path | None:
    """Path of the project's config of a name; None for another name.

    Args:
        name: ``seresnet50_8xb32_in1k``, with or without ``.py``, or a path in the folder of
            configs, ``seresnet/seresnet50_8xb32_in1k.py``, with or without ``configs/``.
    """
    path = CONFIGS / name.removeprefix('configs/')
    if path.is_file() and is_ours(path):
        return path
    if Path(name).parent != Path('.'):
        return None
    return _paths().get(Path(name).stem if name.endswith('.py') else name)


@answering
def find_config(name: str) -> str:
    """Path of the config with a name; a path of an existing file is returned as it is.

    Args:
        name: A path, or the name of a config of the project: ``seresnet50_8xb32_in1k``, with or
            without ``.py``, ``configs/seresnet/seresnet50_8xb32_in1k.py`` from any folder.

    Raises:
        FileNotFoundError: No file and no config has this name.
    """
    if Path(name).is_file():
        return name
    if found := find_project_config(name):
        return str(found)
    if Path(name).is_dir():
        raise FileNotFoundError(
            f'config {printable(name)} is a folder; allowed: a file, or the name of one'
        )
    if Path(name).exists():
        check_regular_file(name, 'config')
    stem = Path(name).stem if name.endswith('.py') else Path(name).name
    near = difflib.get_close_matches(stem, _paths(), n=1)
    hint = f'; did you mean {near[0]}?' if near else ''
    raise FileNotFoundError(f'config {printable(name)} does not exist{hint}')


@answering
def get_config(name: str, options: dict | None = None) -> 'Config':
    """The config with a name or path, see :func:`find_config`, and with options.

    An option on a variable of the config (``data_root``, ``train_pipeline.0.crop_size``) acts
    wherever the config uses it; an option on a key that is read acts on that key alone.

    Args:
        name: Name or path.
        options: Values by dotted key, as ``--cfg-options`` gives them.

    Raises:
        FileNotFoundError: There is no such config.
        ValueError: The file is no config, it has a key that nobody reads, or an option has no
            effect.
        ImportError: A module of its ``custom_imports`` cannot be imported.
    """
    from .options import read_with_options

    return read_with_options(find_config(name), options or {})
