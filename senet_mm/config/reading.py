"""Reading of config files: bases by name, options on variables, errors with their line."""

import ast
import builtins
import re
import traceback
from pathlib import Path
from types import CodeType
from typing import NamedTuple
from unittest import mock

from mmengine.config import Config
from mmengine.config import config as mmengine_config

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

    token = ACTIVE.set(active)
    try:
        with (
            mock.patch.object(mmengine_config, 'compile', compile_file, create=True),
            mock.patch.object(Config, '_get_cfg_path', staticmethod(_get_base_path)),
        ):
            return Config.fromfile(path, import_custom_modules=False), files
    except (FileNotFoundError, ImportError):
        raise
    except Exception as error:
        raise ValueError(_with_place(error, path)) from error
    finally:
        ACTIVE.reset(token)


_get_mmengines_path = Config._get_cfg_path


def _get_base_path(base: str, filename: str) -> tuple[str, str | None]:
    """Path and scope of a base: a file beside this one, else a config of the project by name."""
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
        raise FileNotFoundError(
            f'{filename}: _base_ {base!r} does not exist; allowed: a path from the folder of the '
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


def _with_place(error: Exception, path: str) -> str:
    """The error, with the file and line of the config that caused it."""
    frames = list(traceback.walk_tb(error.__traceback__))
    # The error is in the last file that mmengine began to read.
    reading = [frame.f_locals.get('filename') for frame, _ in frames if _reads(frame.f_code)]
    file = str(reading[-1] if reading else path)
    lines = [line for frame, line in frames if frame.f_code.co_filename == file]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    place = f'{file}, line {line}' if line else file
    return f'config {place}: {type(error).__name__}: {text}'


def _reads(code: CodeType) -> bool:
    return code.co_name in ('_file2dict', '_parse_lazy_import', '_is_lazy_import')
