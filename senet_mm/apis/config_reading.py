"""Reading of config files: bases by name, options on variables, errors with their line.

mmengine executes a config file and copies its variables into the loaders, so that a later change of
``train_pipeline`` reaches nobody. Here an option on a variable acts after every assignment to it.
"""

import ast
import builtins
import contextlib
import copy
import re
import traceback
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from mmengine.config import Config
from mmengine.config import config as mmengine_config

from .configs import find_project_config

# Options on variables while a config is read.
_OPTIONS: ContextVar[dict] = ContextVar('options')


class ConfigFile(NamedTuple):
    """What a file of a config says.

    Attributes:
        path: The file.
        assigned: Names that it assigns at its top level.
        used: Names that it reads, its bases' included.
    """

    path: Path
    assigned: frozenset[str]
    used: frozenset[str]


class _Overriding(ast.NodeTransformer):
    """Adds ``NAME = overridden('NAME', NAME)`` after every assignment to one of some names."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def visit(self, node: ast.AST) -> ast.AST | list[ast.AST]:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            return node  # its names are its own
        if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            return self.generic_visit(node)
        if node.value is None:  # `name: type` assigns nothing
            return node
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        calls = [
            f"{name} = __import__('{__name__}', fromlist=['_']).overridden({name!r}, {name})"
            for name in sorted(self.names & {name for target in targets for name in _names(target)})
        ]
        return [node, *ast.parse('\n'.join(calls)).body]


def overridden(name: str, value: object) -> object:
    """The value of a variable of a config with the options on it.

    An option that does not fit is left out: another file may assign a value that it fits.
    """
    cfg = Config({name: value})
    for option, given in _OPTIONS.get().items():
        if root(option) == name:
            with contextlib.suppress(KeyError, TypeError):
                apply_option(cfg, option, given)
    return cfg[name]


def apply_option(cfg: Config, key: str, value: object) -> None:
    """Set a value by its dotted key; dicts are merged.

    Raises:
        KeyError: A list has no such index.
        TypeError: A part of the key is not in a dict or list.
    """
    parent, _, last = key.rpartition('.')
    siblings: object = cfg
    for part in parent.split('.') if parent else ():
        is_index = isinstance(siblings, list) and part.isdigit() and int(part) < len(siblings)
        siblings = siblings[int(part)] if is_index else getattr(siblings, 'get', {}.get)(part)
    if isinstance(siblings, list) and last.isdigit() and not isinstance(value, dict):
        # mmengine sets no entry of a list that is not a dict.
        if int(last) >= len(siblings):
            raise KeyError(f'{key}: {parent} is a list of {len(siblings)}')
        siblings = [*siblings]
        siblings[int(last)] = value
        apply_option(cfg, parent, siblings)
    else:
        cfg.merge_from_dict({key: copy.deepcopy(value)})


def root(key: str) -> str:
    """The top-level key of a dotted one."""
    return key.partition('.')[0]


def _names(node: ast.AST) -> set[str]:
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


def _describe(path: Path, tree: ast.Module) -> ConfigFile:
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    assigned = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    used = {name.id for name in names if isinstance(name.ctx, ast.Load)}
    used |= set(re.findall(r'_base_\.(\w+)', path.read_text()))
    return ConfigFile(path, frozenset(assigned), frozenset(used))


def read_config(path: str, options: dict | None = None) -> tuple[Config, list[ConfigFile]]:
    """Read a config; options on its variables act wherever the config uses them.

    Args:
        path: The file.
        options: Values of variables, by dotted key. Other keys are not overridden here.

    Returns:
        The config and its files, a base before those that build on it.

    Raises:
        ValueError: A file is no config, or fails when it is executed; with file and line.
        FileNotFoundError: A base does not exist.
        ImportError: A package whose config is a base is not installed.
    """
    files: list[ConfigFile] = []
    overriding = _Overriding({root(key) for key in options or {}})

    # mmengine compiles each file of a config, bases first, and runs it.
    def compile_file(tree: ast.AST, filename: str, mode: str) -> object:
        if mode == 'exec':
            files.append(_describe(Path(filename), tree))
            tree = ast.fix_missing_locations(overriding.visit(tree))
        return builtins.compile(tree, filename, mode)

    token = _OPTIONS.set(options or {})
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
        _OPTIONS.reset(token)


_get_mmengines_path = Config._get_cfg_path


def _get_base_path(base: str, filename: str) -> tuple[str, str | None]:
    """Path and scope of a base: beside the file, or else a config of the project by its name."""
    if '::' in base and not base.startswith('senet_mm::'):
        return _get_mmengines_path(base, filename)
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


def _with_place(error: Exception, path: str) -> str:
    """What went wrong in which file and line of a config."""
    frames = list(traceback.walk_tb(error.__traceback__))
    # The last file that mmengine began to read is the one in which it went wrong.
    reading = [frame.f_locals.get('filename') for frame, _ in frames if _reads(frame.f_code)]
    file = str(reading[-1] if reading else path)
    lines = [line for frame, line in frames if frame.f_code.co_filename == file]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    place = f'{file}, line {line}' if line else file
    return f'config {place}: {type(error).__name__}: {text}'


def _reads(code: object) -> bool:
    return code.co_name in ('_file2dict', '_parse_lazy_import', '_is_lazy_import')
