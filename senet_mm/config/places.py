"""Where in a config, and in which of its options, an error has its cause."""

import os
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import NamedTuple

from mmengine.config import Config, ConfigDict

from senet_mm.utils.options import shorten

from .keys import READ_KEYS, walk


class Reading(NamedTuple):
    """A config that was read, or could not be.

    Attributes:
        path: Its file.
        options: Options on it by dotted key.
        cfg: The config; None until it is read.
    """

    path: str
    options: Mapping
    cfg: Config | None = None


# The configs that were read, by their files.
READ: ContextVar[dict[str, Reading]] = ContextVar('read')


def note_reading(reading: Reading) -> None:
    """Remember a config for errors to come."""
    READ.set({**READ.get({}), reading.path: reading})


def locate_error(error: Exception, message: str) -> str:
    """``(config FILE, PATH; --cfg-options KEY=VALUE)``, as far as the message does not say it.

    Empty if several configs were read, for another option of the command line, and where neither a
    part of the config nor an option can be the cause.

    Args:
        error: An error; :class:`.Explained` has attached the part of the config to it that was
            being built.
        message: Its text.
    """
    readings = [*READ.get({}).values()]
    if len(readings) != 1 or (message.startswith('--') and '--cfg-options' not in message):
        return ''
    reading = readings[0]
    paths = _find_built(error, reading)[:1]
    if not paths and not reading.options and reading.cfg is not None:
        return ''
    options = [
        f'{key}={shorten(str(value), 60)}'
        for key, value in _find_options(reading.options, paths, message).items()
    ]
    where = [] if reading.path in message else [f'config {_relative(reading.path)}']
    if paths and paths[0] not in message:
        where.append(paths[0])
    parts = [', '.join(where), f'--cfg-options {" ".join(options)}' if options else '']
    text = '; '.join(filter(None, parts))
    return f' ({text})' if text else ''


def _relative(path: str) -> str:
    short = os.path.relpath(path)
    return path if short.startswith('..') else short


def _find_options(options: Mapping, paths: list[str], message: str) -> Mapping:
    """The options that may have caused an error; those that the message names are left out."""
    if any(f'--cfg-options {key}' in message for key in options):
        return {}
    touching = {
        key: value for key, value in options.items() if any(_touch(key, path) for path in paths)
    }
    named = {
        key: value
        for key, value in options.items()
        if key in message or (len(str(value)) > 2 and str(value) in message)
    }
    chosen = touching or named or options
    return {key: value for key, value in chosen.items() if f'{key}={value!r}' not in message}


def _touch(key: str, path: str) -> bool:
    """Whether one of two dotted keys is the other one, or above it."""
    return f'{path}.'.startswith(f'{key}.') or f'{key}.'.startswith(f'{path}.')


def _find_built(error: BaseException | None, reading: Reading) -> list[str]:
    """Paths of the parts of a config that equal the one that was being built."""
    while error is not None and not hasattr(error, 'built'):
        error = error.__cause__
    if error is None or reading.cfg is None or not isinstance(error.built, Mapping):
        return []
    built = ConfigDict(error.built).to_dict()
    scores = dict(_score(built, reading.cfg.to_dict()))
    best = max(scores.values(), default=0)
    paths = [path for path, score in scores.items() if score == best > 0]
    # Of equal parts the one that an option changes, then one that is read.
    return sorted(
        paths,
        key=lambda path: (
            not any(_touch(key, path) for key in reading.options),
            path.partition('.')[0] not in READ_KEYS,
        ),
    )


def _score(built: dict, values: dict) -> Iterator[tuple[str, float]]:
    """How much each dict of a config has in common with one that was built from it."""
    for path, mapping in walk(values, ''):
        if mapping.get('type', built.get('type')) == built.get('type'):
            same = sum(_is_same(mapping[key], built[key]) for key in mapping.keys() & built.keys())
            yield path, same - abs(len(mapping) - len(built)) / 1000


def _is_same(value: object, other: object) -> bool:
    try:
        return bool(value == other or repr(value) == repr(other))
    except (ValueError, RuntimeError):  # of arrays
        return False
