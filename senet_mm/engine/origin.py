"""What weights were made with: read from their file, compared with a config, taken over.

``meta`` of a checkpoint has ``cfg``, the text of the config as it was used, ``preprocessing``, see
:mod:`senet_mm.engine.preprocessing`, and ``dataset_meta`` with the names of the classes.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from .config_text import read_config_text
from .preprocessing import (
    GEOMETRY,
    NORMALISATION,
    check_preprocessing,
    describe_preprocessing,
    get_network,
    set_geometry,
    set_normalisation,
)
from .same_network import ABSENT, Difference, compare_networks


class Origin(NamedTuple):
    """What a checkpoint says of its origin; empty where it says nothing.

    Attributes:
        filename: The checkpoint.
        config: Values of the config.
        preprocessing: How images are prepared.
        classes: Names of the classes, None where it has none.
        unread: Why the text of its config cannot be read.
    """

    filename: str
    config: Mapping
    preprocessing: dict[str, Any]
    classes: tuple[str, ...] | None = None
    unread: str = ''


def read_origin(checkpoint: object, filename: str) -> Origin:
    """What a checkpoint says of its origin.

    Raises:
        ValueError: ``preprocessing`` is none.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None
    meta = meta if isinstance(meta, Mapping) else {}
    config, unread = _read_config(meta)
    preprocessing = meta.get('preprocessing', _describe(config) if 'cfg' in meta else {})
    preprocessing = check_preprocessing(preprocessing, f'checkpoint {filename}')
    return Origin(filename, config, preprocessing, _read_classes(meta), unread)


def load_origin(filename: str) -> Origin:
    """What the checkpoint in a file, or at a URL, says of its origin."""
    return read_origin(CheckpointLoader.load_checkpoint(filename, 'cpu', logger='silent'), filename)


def find_pretrained(cfg: Mapping) -> str | None:
    """The checkpoint that ``init_cfg=dict(type='Pretrained')`` of model or backbone names."""
    network = get_network(cfg)
    for part in (network, network.get('backbone') or {}):
        init_cfg = part.get('init_cfg') or []
        for rule in init_cfg if isinstance(init_cfg, (list, tuple)) else [init_cfg]:
            if rule.get('type') == 'Pretrained':
                return rule['checkpoint']
    return None


def _read_config(meta: Mapping) -> tuple[Mapping, str]:
    """The config by its text, or by its name in files that an older version converted."""
    if isinstance(meta.get('cfg'), str):
        try:
            config = read_config_text(meta['cfg'])
        except ValueError as error:
            return {}, str(error)
        if isinstance(config.get('model'), dict):
            return config, ''
        return {}, 'it has no model'
    # Late: the public names are above the engine. A path would be executed.
    from senet_mm.apis import get_config, list_models

    return (get_config(meta['config']) if meta.get('config') in list_models() else {}), ''


def _read_classes(meta: Mapping) -> tuple[str, ...] | None:
    dataset_meta = meta.get('dataset_meta')
    classes = dataset_meta.get('classes') if isinstance(dataset_meta, Mapping) else None
    return tuple(map(str, classes)) if isinstance(classes, (list, tuple)) else None


def _describe(config: Mapping) -> dict[str, Any]:
    """How a stranger's config, which may have anything anywhere, prepares images."""
    try:
        return describe_preprocessing(config, 'val_dataloader')
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}


def check_network(cfg: Config, origin: Origin, new_head: bool = False) -> None:
    """Raise a ValueError where weights were made for another network than that of a config.

    Args:
        cfg: The config.
        origin: Where the weights are from.
        new_head: The head may differ; it is to be trained.
    """
    if not (origin.config.get('model') and isinstance(cfg.get('model'), Mapping)):
        return
    scopes = tuple(c.get('default_scope') or 'senet_mm' for c in (cfg, origin.config))
    differences = [
        difference
        for difference in compare_networks(get_network(cfg), get_network(origin.config), scopes)
        if not (new_head and difference.key.startswith('model.head.'))
    ]
    if differences:
        raise ValueError(
            f'checkpoint {origin.filename} does not fit the model of the config: it was made with '
            f'{_join(differences, "other")}, the config has '
            f'{_join(differences, "given")}; allowed: {_remedy(differences)}'
        )


def _join(differences: Sequence[Difference], side: str, limit: int = 3) -> str:
    """``key=value key=value ...`` of one side."""
    parts = []
    for difference in differences[:limit]:
        value = getattr(difference, side)
        parts.append(f'{difference.key}={"(none)" if value is ABSENT else value}')
    return ' '.join(parts) + (' ...' if len(differences) > limit else '')


def _remedy(differences: Sequence[Difference]) -> str:
    """What makes the config that of the weights."""
    simple = all(isinstance(d.other, (str, int, float, bool)) for d in differences)
    config = 'the config that it was made with'
    if not simple or len(differences) > 3:
        return config
    return f'--cfg-options {_join(differences, "other")}, or {config}'


def adopt_normalisation(cfg: Config, origin: Origin) -> list[str]:
    """Let a config normalise images, and order their channels, as weights want it.

    Args:
        cfg: The config, changed in place.
        origin: Where the weights are from.

    Returns:
        Lines for the log: what was taken from the checkpoint, or what is not known.

    Raises:
        ValueError: An option says otherwise.
    """
    lines = []
    if origin.unread:
        lines.append(
            f'checkpoint {origin.filename}: its config is not compared, it cannot be read '
            f'({origin.unread})'
        )
    if 'mean' not in origin.preprocessing:
        return [
            *lines,
            f'checkpoint {origin.filename} does not say how its images were normalised; the '
            'config decides',
        ]
    given = describe_preprocessing(cfg)
    names = _differing(given, origin, NORMALISATION)
    if chosen := [name for name in names if name in _chosen(cfg, given)]:
        raise ValueError(_contradiction(chosen[0], given, origin))
    if names:
        set_normalisation(cfg, origin.preprocessing)
        lines.append(f'as checkpoint {origin.filename} wants it: {_beside(names, origin, given)}')
    return lines


def check_normalisation(cfg: Config, origin: Origin) -> None:
    """Raise a ValueError where a config normalises otherwise than weights want it."""
    given = describe_preprocessing(cfg)
    for name in _differing(given, origin, NORMALISATION):
        raise ValueError(_contradiction(name, given, origin))


def adopt_geometry(cfg: Config, origin: Origin) -> list[str]:
    """Let the test of a config resize and crop as weights were made for.

    What was chosen stays: by an option, or by ``keep_test_pipeline=True`` in the config.

    Args:
        cfg: The config, changed in place.
        origin: Where the weights are from.

    Returns:
        Lines for the log: what was taken from the checkpoint, or what was not.
    """
    if 'resize' not in origin.preprocessing:
        return []
    given = describe_preprocessing(cfg)
    names = _differing(given, origin, GEOMETRY)
    if 'resize' not in given:
        return ['test_dataloader: it is not known how its pipeline resizes; the config decides']
    if not names:
        return []
    if cfg.get('keep_test_pipeline') or _chosen(cfg, given) & set(GEOMETRY):
        return [f'as chosen, unlike checkpoint {origin.filename}: {_beside(names, origin, given)}']
    set_geometry(cfg, origin.preprocessing)
    return [f'as checkpoint {origin.filename} wants it: {_beside(names, origin, given)}']


def _differing(given: Mapping, origin: Origin, names: Sequence[str]) -> list[str]:
    """Those of the names that both have, with another value."""
    wanted = origin.preprocessing
    return [n for n in names if n in given and n in wanted and given[n] != wanted[n]]


def _chosen(cfg: Config, given: Mapping) -> set[str]:
    """What options or code changed since the config was read from its file."""
    filename = getattr(cfg, 'filename', None)
    if not filename or not os.path.isfile(filename):
        return set()
    from senet_mm.apis import get_config  # late, as above

    written = describe_preprocessing(get_config(filename))
    return {name for name in given if name in written and given[name] != written[name]}


def _contradiction(name: str, given: Mapping, origin: Origin) -> str:
    return (
        f'checkpoint {origin.filename} was made with {name}={origin.preprocessing[name]}, the '
        f'config or an option says {name}={given[name]}; allowed: that of the checkpoint'
    )


def _beside(names: Sequence[str], origin: Origin, given: Mapping) -> str:
    """``crop=224 (config: 320), ...``."""
    wanted = origin.preprocessing
    return ', '.join(f'{name}={wanted[name]} (config: {given[name]})' for name in names)
