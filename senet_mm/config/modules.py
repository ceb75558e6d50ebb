"""Imports the modules that a config needs besides its own files."""

from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config

from senet_mm.config.keys import walk
from senet_mm.config.own_modules import add_folders, import_own
from senet_mm.utils.options import check_mapping

from .names import is_ours
from .reading import ConfigFile


def import_modules(cfg: Config, files: list[ConfigFile]) -> None:
    """Import ``custom_imports`` and modules beside the config that a ``type`` names.

    Their folders stay at the end of ``sys.path``, for workers and for what is imported later.

    Raises:
        ImportError: A module cannot be imported, or another one of its name was found first.
    """
    paths = [*(file.path for file in files), Path(cfg.filename)]
    folders = list(dict.fromkeys(path.resolve().parent for path in paths if not is_ours(path)))
    custom = cfg.get('custom_imports') or {}
    check_mapping('custom_imports', custom, ('imports', 'allow_failed_imports'))
    imports = custom.get('imports') or []
    beside = list(dict.fromkeys(_find_beside(cfg, folders)))
    if not imports and not beside and not _is_lazy(cfg):
        return
    add_folders(folders)
    for name in beside:
        import_own(name, folders)
    for name in [imports] if isinstance(imports, str) else imports:
        try:
            import_own(name, folders)
        except ImportError as error:
            # mmengine skips modules that do not exist; any other failure is an error.
            if not (
                custom.get('allow_failed_imports') and isinstance(error.__cause__, ImportError)
            ):
                raise


def _find_beside(cfg: Config, folders: list[Path]) -> Iterator[str]:
    """Modules beside the config of types such as ``my_layer.MyLayer``, as a written config has."""
    for _, mapping in walk(cfg.to_dict(), ''):
        module = str(mapping.get('type')).rpartition('.')[0]
        for folder in folders if module else ():
            path = folder / module.replace('.', '/')
            if path.with_suffix('.py').is_file() or (path / '__init__.py').is_file():
                yield module


def _is_lazy(cfg: Config) -> bool:
    return bool(getattr(cfg, '_imported_names', None))
