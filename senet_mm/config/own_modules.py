"""Imports the user's modules from beside a config and copies them into the work directory."""

import os
import shutil
import sys
import traceback
from importlib import import_module
from pathlib import Path

from mmengine.dist import master_only

from senet_mm.utils.errors import name_error

# Folders of modules beside configs, in the order in which they were added.
MODULE_FOLDERS: list[str] = []


def add_folders(folders: list[Path]) -> None:
    """Append folders to the import path, for worker processes too."""
    for folder in map(str, folders):
        if folder not in MODULE_FOLDERS:
            MODULE_FOLDERS.append(folder)
        if folder not in sys.path:
            sys.path.append(folder)


def import_own(name: str, folders: list[Path]) -> None:
    """Import a module.

    Args:
        name: Dotted name.
        folders: Folders of the config.

    Raises:
        ImportError: It does not exist, fails, or comes from outside of the folders.
    """
    try:
        import_module(name)
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f'{name}.'.startswith(f'{missing}.'):
            places = ', '.join(map(str, folders))
            raise ImportError(
                f'custom_imports: {name} cannot be imported ({error}); '
                f'allowed: modules in {places}, on PYTHONPATH, or installed'
            ) from error
        raise ImportError(f'module {name}: {_with_place(error, folders)}') from error
    _check_place(name.partition('.')[0], folders)


def _with_place(error: Exception, folders: list[Path]) -> str:
    """The error, after the file and line of the user's code that caused it."""
    if isinstance(error, SyntaxError):
        return f'{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}'
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if _is_in(Path(frame.filename), folders)]
    frame = (theirs or frames)[-1]
    return f'{frame.filename}, line {frame.lineno}: {name_error(error)}'


def _is_in(path: Path, folders: list[Path]) -> bool:
    return any(path.resolve().is_relative_to(folder) for folder in folders)


def _check_place(top: str, folders: list[Path]) -> None:
    """Raise an ImportError if a module was imported from elsewhere than beside the config.

    A module with the same text passes, such as a copy in a work directory.
    """
    found = Path(getattr(sys.modules[top], '__file__', None) or '.').resolve()
    for folder in folders:
        beside = [folder / f'{top}.py', folder / top / '__init__.py']
        if found in beside:
            return
        if other := [path for path in beside if path.is_file()]:
            is_package = found.name == '__init__.py'
            if _read(top, folder) != _read(top, found.parents[is_package]):
                raise ImportError(
                    f'module {top} is {found}, not {other[0]} beside the config, which '
                    'differs; allowed: another name for the module'
                )
            return


def _read(top: str, folder: Path) -> dict[Path, bytes]:
    """The texts of a module or package, by path in its folder."""
    files = [folder / f'{top}.py', *sorted((folder / top).rglob('*.py'))]
    return {file.relative_to(folder): file.read_bytes() for file in files if file.is_file()}


@master_only
def copy_modules(work_dir: str | Path) -> None:
    """Copy the modules imported from beside the configs; a config beside the copies can be used.

    Copies every Python file of a package. Replaces files that exist, like the config itself.
    """
    for folder in map(Path, MODULE_FOLDERS):
        for top in _imported_from(folder):
            for path in _read(top, folder):
                target = Path(work_dir, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.exists() or not target.samefile(folder / path):
                    shutil.copyfile(folder / path, target)


def _imported_from(folder: Path) -> set[str]:
    """Top-level names of what was imported from a folder; the project itself is installed."""
    tops, prefix = set(), os.path.join(folder, '')
    for name, module in list(sys.modules.items()):
        file = str(getattr(module, '__file__', None))
        if file.startswith(prefix):  # first, as there are thousands of modules
            top = name.partition('.')[0]
            if Path(file).relative_to(folder).parts[0] in (top, f'{top}.py'):
                tops.add(top)
    return tops - {'senet_mm'}
