"""Checks that every key of a config is read by something."""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from mmengine.config import Config

from senet_mm.utils.options import suggest

from .distributed import check_wrapper
from .schema import CLOSED, OPEN, OTHER_KEYS, RUNNER_KEYS
from .values import check_type, check_values

# Top-level keys that somebody reads; others are variables of the config.
READ_KEYS = RUNNER_KEYS | OTHER_KEYS


def check_keys(cfg: Config) -> None:
    """Raise a ValueError for a key that nobody reads, with its path and the nearest name.

    Checks only dicts from which code picks some keys and ignores the rest; a constructor checks its
    own arguments. Where users may add names, as at the top level, only a near miss is an error.
    """
    values = cfg.to_dict()
    check_values(values)
    read = {key: value for key, value in values.items() if key in READ_KEYS}
    # A variable that the config uses is never a near miss.
    unused = [
        key for key in values.keys() - read if not (values[key] and occurs(values[key], read))
    ]
    # `train_pipeline`, a usual variable, is near to this key.
    _check_open('', unused, READ_KEYS - {'tta_pipeline'})
    for path, mapping in walk(values, ''):
        if path.partition('.')[0] in READ_KEYS:
            check_type(path, mapping)
        for pattern, allowed in OPEN.items():
            if fnmatchcase(path, pattern):
                _check_open(path, mapping, allowed)
        for pattern, get_allowed in CLOSED.items():
            if fnmatchcase(path, pattern):
                _check_closed(path, mapping, get_allowed(mapping, values))
    if wrapper := values.get('model_wrapper_cfg'):
        check_wrapper(wrapper, values.get('optim_wrapper'))


def occurs(value: object, container: object) -> bool:
    """Whether a value is somewhere in nested dicts and lists."""
    if type(container) is type(value) and container == value:
        return True
    if isinstance(container, dict):
        return any(occurs(value, item) for item in container.values())
    return isinstance(container, list | tuple) and any(occurs(value, item) for item in container)


def walk(value: object, path: str) -> Iterator[tuple[str, dict]]:
    """All dicts below a value, with their dotted paths."""
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, dict):
        if path:
            yield path, value
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    for key, item in items:
        yield from walk(item, f'{path}.{key}' if path else str(key))


def name_of(part: Mapping) -> str:
    """The ``type`` of a part of a config without its scope."""
    return str(part.get('type')).rpartition('.')[2]


def _check_open(path: str, given: Iterable[str], known: Iterable[str]) -> None:
    for key in sorted(set(given) - set(known)):
        if hint := suggest(key, known, cutoff=0.8):
            raise ValueError(f'config key {_join(path, key)!r} is not known{hint}')


def _check_closed(path: str, given: Iterable[str], allowed: set[str] | None) -> None:
    if allowed is None:
        return
    for key in given:
        if key not in allowed and not key.startswith('_'):  # mmengine's own: _scope_, _delete_
            names = suggest(key, allowed) or f'; allowed: {", ".join(sorted(allowed))}'
            raise ValueError(f'config key {_join(path, key)!r} is not known{names}')


def _join(path: str, key: str) -> str:
    return f'{path}.{key}' if path else key
