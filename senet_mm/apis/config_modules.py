"""Modules beside a config, which its ``custom_imports`` names."""

import sys
from importlib import import_module
from pathlib import Path

from mmengine.config import Config

from .config_reading import ConfigFile
from .configs import is_ours

# Folders of modules beside configs, in the order in which they were added to ``sys.path``.
MODULE_FOLDERS: list[str] = []


def import_modules(cfg: Config, files: list[ConfigFile]) -> None:
    """Import ``custom_imports``; modules beside the files of the config are found.

    Their folders stay at the end of ``sys.path``, for workers and for what is imported later.

    Raises:
        ImportError: A module cannot be imported, or another one of its name was found first.
    """
    paths = [*(file.path for file in files), Path(cfg.filename)]
    folders = list(dict.fromkeys(path.resolve().parent for path in paths if not is_ours(path)))
    if not cfg.get('custom_imports') and not _is_lazy(cfg):
        return
    for folder in map(str, folders):
        if folder not in sys.path:
            sys.path.append(folder)
            MODULE_FOLDERS.append(folder)
    custom = cfg.get('custom_imports') or {}
    imports = custom.get('imports') or []
    for name in [imports] if isinstance(imports, str) else imports:
        try:
            import_module(name)
        except ImportError as error:
            if custom.get('allow_failed_imports'):
                continue
            places = ', '.join(map(str, folders))
            raise ImportError(
                f'custom_imports: {name} cannot be imported ({error}); '
                f'allowed: modules in {places}, on PYTHONPATH, or installed'
            ) from error
        _check_place(name, folders)


def _is_lazy(cfg: Config) -> bool:
    return bool(getattr(cfg, '_imported_names', None))


def _check_place(name: str, folders: list[Path]) -> None:
    """Raise an ImportError where a module beside the config is not the one that was imported."""
    top = name.partition('.')[0]
    found = Path(getattr(sys.modules[top], '__file__', None) or '.').resolve()
    for folder in folders:
        beside = [folder / f'{top}.py', folder / top / '__init__.py']
        if found in beside:
            return
        if other := [path for path in beside if path.is_file()]:
            raise ImportError(
                f'custom_imports: {name} is {found}, not {other[0]} beside the config; '
                'allowed: another name for the module'
            )
