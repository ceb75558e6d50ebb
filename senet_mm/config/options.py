"""Applies options to a config and refuses those without effect."""

import logging
import os
from pathlib import Path
from typing import NoReturn

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import Registry

from senet_mm import registry as registries
from senet_mm.config.keys import READ_KEYS, check_keys, occurs, walk
from senet_mm.utils.building import upwards
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import shorten, suggest

from .channels import apply_with_options, check_channels
from .modules import import_modules
from .overriding import (
    Change,
    Overrides,
    apply_option,
    are_equal,
    get_child,
    has_index,
    is_index,
    root,
)
from .places import Reading, note_reading
from .reading import ConfigFile, read_config

# Keys whose ``type`` is another word than the name of a class.
NO_CLASSES = ('clip_grad.type', 'on_trace_ready.type')
# Keys that tools add to a config before a run writes it.
DUMPED = {'launcher', 'work_dir'}


def read_with_options(path: str, options: dict) -> Config:
    """Read a config, apply options and check both, see :func:`senet_mm.apis.get_config`."""
    note_reading(Reading(path, options))
    cfg, files = _read(path, options)
    for option in options:
        if root(option) not in READ_KEYS:
            _check_effect(path, cfg, options, option)
    note_reading(Reading(path, options, cfg))
    import_modules(cfg, files)
    check_keys(cfg)
    given = set(map(root, options))  # an option acts in all files
    for option, value in options.items():
        _check_name(option, value)
    unused = _find_unused(cfg, files)
    _check_overridden(cfg, files, {n: file for n, file in unused.items() if n not in given})
    if os.environ.get('RANK', '0') == '0' and unused:
        names = ', '.join(f'{name} ({file})' for name, file in unused.items())
        print_log(f'config: nobody reads {names}', 'current', logging.WARNING)
    apply_with_options(cfg, options)
    check_channels(cfg)
    return cfg


def _read(path: str, options: dict) -> tuple[Config, list[ConfigFile]]:
    """The config with its options: on variables while it is executed, on other keys afterwards."""
    variables = {key: value for key, value in options.items() if root(key) not in READ_KEYS}
    plain = {key: value for key, value in variables.items() if not has_index(key)}
    indexed = {key: value for key, value in variables.items() if has_index(key)}
    changes: dict[str, Change] = {}
    cfg, files = read_config(path, Overrides(plain))
    # In the order of the config: a variable comes before those derived from it.
    for name in [name for name in cfg if name in set(map(root, indexed))]:
        changes[name] = _get_change(name, cfg[name], indexed)
        cfg, files = read_config(path, Overrides(plain, changes))
    for name, change in changes.items():
        if not are_equal(cfg[name], change.after):
            _refuse(cfg, name, indexed)
    for key in sorted(options, key=has_index):
        _check_path(cfg, key)
        _check_reserved(key, options[key])
        apply_option(cfg, key, options[key])
    _check_kept(cfg, options)
    return cfg, files


def _get_change(name: str, value: object, options: dict) -> Change:
    """The final value of a variable without and with its options."""
    cfg = Config({name: value})
    for key, given in options.items():
        if root(key) == name:
            _check_path(cfg, key)
            apply_option(cfg, key, given)
    return Change(value, cfg[name])


def _refuse(cfg: Config, name: str, options: dict) -> NoReturn:
    option = next(key for key in options if root(key) == name)
    hint = suggest(option, _read_paths(cfg), cutoff=0.3)
    raise ValueError(
        f'--cfg-options {option}: the config builds {name!r} in steps in which this element cannot '
        f'be told from others{hint}'
    )


def _check_path(cfg: Config, option: str) -> None:
    """Raise a ValueError for an option under a key that does not exist or has no keys."""
    first, *parts = option.split('.')
    allowed = READ_KEYS | set(cfg)
    if first not in allowed:
        variables = ', '.join(name for name in cfg if name not in READ_KEYS) or 'it has none'
        hint = suggest(first, allowed) or f'; allowed: keys that are read, variables ({variables})'
        raise ValueError(f'--cfg-options: the config has no key {first!r}{hint}')
    value, path = cfg.get(first, {}), first
    for part in parts:
        if isinstance(value, list):
            if not is_index(part) or int(part) >= len(value):
                range_ = f'{path}.0 to {path}.{len(value) - 1}' if value else f'{path}=[...]'
                raise ValueError(
                    f'--cfg-options {option}: {path} is a list of {len(value)}; allowed: {range_}'
                )
            value = value[int(part)]
        elif isinstance(value, dict):
            value = value.get(part, {})
        else:
            raise ValueError(f'--cfg-options {option}: {path} is {value!r}, which has no keys')
        path = f'{path}.{part}'


def _check_reserved(option: str, value: object) -> None:
    """Raise a ValueError for a key of mmengine's own that does not exist or is misused."""
    last = option.rpartition('.')[2]
    if last == '_delete_' and value is not True:
        raise ValueError(f'--cfg-options {option}={value!r}; allowed: True')
    if last.startswith('_') and last not in ('_delete_', '_scope_'):
        raise ValueError(f'--cfg-options {option}: allowed with an underscore: _delete_, _scope_')


def _check_name(option: str, value: object) -> None:
    """Raise a ValueError for a ``type`` that no registry has, also where a tool does not build it.

    A tool builds what it uses: a test builds no training.
    """
    is_type = option.endswith('.type') and not option.endswith(NO_CLASSES)
    if not is_type or not isinstance(value, str):
        return
    names: set[str] = set()
    for registry in vars(registries).values():
        if isinstance(registry, Registry):
            try:
                if registry.get(value) is not None:
                    return
            except RuntimeError:  # a path of a module that does not exist
                continue
            names |= {name for each in upwards(registry) for name in each.module_dict}
    hint = suggest(value, names) or '; allowed: a class of OpenMMLab, PyTorch or this project'
    raise ValueError(f'--cfg-options {option}={value!r} is in no registry{hint}')


def _check_kept(cfg: Config, options: dict) -> None:
    """Raise a ValueError for an option whose value another option replaces."""
    for option, value in options.items():
        others = [key for key in options if option.startswith(f'{key}.')]
        if others and not isinstance(value, dict) and not option.endswith('._delete_'):
            found: object = cfg
            for part in option.split('.'):
                found = get_child(found, part)
            if not are_equal(found, value):
                raise ValueError(
                    f'--cfg-options {option}={value!r} is replaced by {others[0]}; allowed: one of '
                    'them'
                )


def _check_effect(path: str, cfg: Config, options: dict, option: str) -> None:
    """Raise a ValueError for an option on a variable that changes no key that is read.

    A variable that is True or False in the config stays one of them; None, too, turns it off.
    """
    others = {key: value for key, value in options.items() if key != option}
    try:
        without = _read(path, others)[0].to_dict()
    except ValueError:  # the config needs the option
        return
    value = options[option]
    if isinstance(without.get(option), bool) and not isinstance(value, bool | None):
        raise InputError(f'--cfg-options {option}={shorten(repr(value))}; allowed: True or False')
    if option in without and not (value or without[option]):  # turned off, as it was
        return
    changed = {key for key, value in cfg.to_dict().items() if value != without.get(key)}
    if changed and not changed & READ_KEYS:
        hint = suggest(option, _read_paths(cfg), cutoff=0.3)
        raise ValueError(
            f'--cfg-options {option}: no effect, nothing that is read uses this part of the '
            f'variable {root(option)!r}{hint}'
        )


def _read_paths(cfg: Config) -> list[str]:
    """Dotted paths of all keys that are read."""
    values = {key: value for key, value in cfg.to_dict().items() if key in READ_KEYS}
    return [f'{path}.{key}' for path, mapping in walk(values, '') for key in mapping]


def _check_overridden(cfg: Config, files: list[ConfigFile], unused: dict[str, Path]) -> None:
    """Raise an InputError for a variable that a file sets after its base has used it.

    Args:
        cfg: The config.
        files: Its files, bases first.
        unused: Names that nothing reads, with their files.
    """
    values = {key: value for key, value in cfg.to_dict().items() if key in READ_KEYS}
    for name, path in unused.items():
        earlier = files[: [file.path for file in files].index(path)]
        base = next((file for file in earlier if name in file.assigned & file.used), None)
        if base is None:
            continue
        keys = [f'{place}.{name}' for place, mapping in walk(values, '') if name in mapping]
        where = f' ({", ".join(keys[:3])})' if keys else ''
        raise InputError(
            f'config {path}: {name} has no effect, its base {base.path.name} has used its own '
            f'value; allowed: --cfg-options {name}=..., or the keys that it is used for{where}'
        )


def _find_unused(cfg: Config, files: list[ConfigFile]) -> dict[str, Path]:
    """Names that a config assigns and nothing reads, with their files.

    Args:
        cfg: The config.
        files: Its files, bases first.
    """
    values = cfg.to_dict()
    effective = {key: value for key, value in values.items() if key in READ_KEYS}
    unused = {}
    for number, file in enumerate(files):
        if '.mim' in file.path.parts:  # a file of another package, which the user does not edit
            continue
        if file.assigned >= DUMPED:  # a run has written it, with variables beside their values
            continue
        used = file.used.union(*(later.used for later in files[number + 1 :]))
        for name in sorted(file.assigned & values.keys() - READ_KEYS - used):
            # A dumped config holds variables beside the values derived from them.
            value = values[name]
            if not (isinstance(value, str | list | dict) and occurs(value, effective)):
                unused[name] = file.path
    return unused
