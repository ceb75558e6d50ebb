"""Reading of config files: bases by name, options on variables, errors with their line."""

import ast
import builtins
import os
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import NamedTuple
from unittest import mock

from mmengine.config import Config
from mmengine.config import config as mmengine_config

from senet_mm.utils.errors import InputError, UserError, name_error
from senet_mm.utils.files import name_kind

from .files import Chain, check_config_file
from .names import find_project_config
from .overriding import ACTIVE, Overrides, Overriding


class ConfigFile(NamedTuple):
    """The names in one file of a config.

    Attributes:
        path: The file.
        assigned: Names that it assigns at its top level.
        used: Names that it reads, those of its bases included.
    """

    path: Path
    assigned: frozenset[str]
    used: frozenset[str]


def _describe(path: Path, tree: ast.Module) -> ConfigFile:
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    assigned = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    used = {name.id for name in names if isinstance(name.ctx, ast.Load)}
    used |= set(re.findall(r'_base_\.(\w+)', path.read_text()))
    return ConfigFile(path, frozenset(assigned), frozenset(used))


def read_config(path: str, overrides: Overrides | None = None) -> tuple[Config, list[ConfigFile]]:
    """Read a config; options on its variables act wherever the config uses them.

    Args:
        path: The file.
        overrides: Options on variables. Other keys are not overridden here.

    Returns:
        The config and its files, a base before those that build on it.

    Raises:
        ValueError: A file is no config, or fails when it is executed; with file and line.
        FileNotFoundError: A base does not exist.
        ImportError: A package whose config is a base is not installed.
    """
    files: list[ConfigFile] = []
    active = overrides or Overrides()

    # mmengine compiles each file of a config, bases first, and runs it.
    def compile_file(tree: ast.Module | ast.Expression, filename: str, mode: str) -> CodeType:
        if isinstance(tree, ast.Module):
            files.append(_describe(Path(filename), tree))
            if active.names:
                Overriding().visit(tree)
                ast.fix_missing_locations(tree)
        return builtins.compile(tree, filename, mode)

    chain = Chain()

    def in_chain(read: Callable) -> staticmethod:
        def read_in_chain(filename: str, *args: object, **kwargs: object) -> object:
            with chain.reading(filename):
                return read(filename, *args, **kwargs)

        return staticmethod(read_in_chain)

    token = ACTIVE.set(active)
    try:
        check_config_file(Path(path))
        with (
            mock.patch.object(mmengine_config, 'compile', compile_file, create=True),
            mock.patch.object(Config, '_get_cfg_path', staticmethod(_get_base_path)),
            mock.patch.object(Config, '_file2dict', in_chain(Config._file2dict)),
            mock.patch.object(Config, '_parse_lazy_import', in_chain(Config._parse_lazy_import)),
        ):
            return Config.fromfile(path, import_custom_modules=False), files
    except (FileNotFoundError, ImportError, UserError):
        raise
    except (Exception, SystemExit) as error:
        raise ValueError(_with_place(error, str(chain.last or path))) from error
    finally:
        ACTIVE.reset(token)


_get_mmengines_path = Config._get_cfg_path


def _get_base_path(base: str, filename: str) -> tuple[str, str | None]:
    """Path and scope of a base: a file beside this one, else a config of the project by name."""
    if not isinstance(base, str):
        raise InputError(f'config {filename}: _base_ holds {base!r}; allowed: paths, names')
    if '::' in base and not base.startswith('senet_mm::'):
        try:
            return _get_mmengines_path(base, filename)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f'{filename}: _base_ {base!r}: {_remedy(error)}') from error
    path = Path(filename).parent / base
    if path.is_file():
        return str(path), None
    found = find_project_config(base.removeprefix('senet_mm::'))
    if found is None:
        state = f'is {name_kind(path)}' if base and path.exists() else 'does not exist'
        raise FileNotFoundError(
            f'{filename}: _base_ {base!r} {state}; allowed: a path from the folder of the '
            "file, or a config of the project, such as 'seresnet/seresnet50_8xb32_in1k.py'"
        )
    return str(found), None


def _remedy(error: ModuleNotFoundError) -> str:
    """Advice for a base whose package is missing."""
    if str(error).startswith('mmdet is not installed'):
        return (
            "mmdet is not installed; mend it with: pip install -e '.[detection]' in an environment "
            'of its own (docs/detection.md)'
        )
    return str(error)


def _with_place(error: BaseException, file: str) -> str:
    """The error, with the file and line of the config that caused it."""
    if isinstance(error, RecursionError):
        return f'config {file}: nested too deeply, or a value that contains itself'
    frames = traceback.walk_tb(error.__traceback__)
    file = os.path.abspath(file)
    lines = [line for frame, line in frames if os.path.abspath(frame.f_code.co_filename) == file]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    text = name_error(error)
    if isinstance(error, SyntaxError):
        text = f'{type(error).__name__}: {error.msg}'
    place = f'{file}, line {line}' if line else file
    return f'config {place}: {text}'
