"""Processes of one run must have one config."""

import hashlib
import json
import platform
from collections.abc import Iterator

import mmengine
import torch
from mmengine.config import Config
from mmengine.dist import all_gather_object

from senet_mm.utils.errors import InputError
from senet_mm.version import __version__


def check_agreement(cfg: Config) -> None:
    """Refuse processes whose configs or versions differ; all processes must call it.

    Raises:
        ValueError: They differ; raised in all processes.
    """
    own = dict(_flatten('', cfg.to_dict()))
    own['version of senet_mm'], own['version of torch'] = __version__, torch.__version__
    own['version of mmengine'] = mmengine.__version__
    own['version of Python'] = platform.python_version()
    digest = hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()
    if len(set(all_gather_object(digest))) == 1:
        return
    ranks = all_gather_object(own)
    for rank, other in enumerate(ranks):
        for key in sorted(ranks[0].keys() | other.keys()):
            values = [values.get(key, 'nothing') for values in (ranks[0], other)]
            if values[0] != values[1]:
                raise InputError(
                    f'the processes differ: {key} is {values[0]} in rank 0, {values[1]} in rank '
                    f'{rank}; allowed: the same config, options and versions on all machines'
                )


def _flatten(path: str, value: object) -> Iterator[tuple[str, str]]:
    """The values of nested dicts and lists as text, by their dotted paths."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flatten(f'{path}.{key}' if path else str(key), item)
    elif isinstance(value, list | tuple) and value:
        for key, item in enumerate(value):
            yield from _flatten(f'{path}.{key}', item)
    elif value is None or isinstance(value, str | int | float | bool | list | tuple | dict):
        yield path, repr(value)
    else:  # an object, whose text may have its address
        yield path, getattr(value, '__qualname__', type(value).__qualname__)
