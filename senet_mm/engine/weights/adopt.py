"""Sets how a config prepares images to what its weights were trained with."""

import os
from collections.abc import Mapping, Sequence

from mmengine.config import Config

from .origin import Origin
from .preprocessing import (
    GEOMETRY,
    NORMALISATION,
    describe_preprocessing,
    set_geometry,
    set_normalisation,
)


def adopt_normalisation(cfg: Config, origin: Origin) -> list[str]:
    """Set mean, std and channel order of a config to those of weights.

    Args:
        cfg: The config, changed in place.
        origin: Where the weights are from.

    Returns:
        Lines for the log: what was taken from the checkpoint, or what is not known.

    Raises:
        ValueError: An option says otherwise.
    """
    lines = []
    if origin.remark:
        lines.append(f'checkpoint {origin.filename}: {origin.remark}')
    if 'mean' not in origin.preprocessing:
        return [
            *lines,
            f'checkpoint {origin.filename} does not say how its images were normalised; the '
            'config decides',
        ]
    given = describe_preprocessing(cfg)
    if 'mean' not in given:
        return [*lines, 'data_preprocessor: it is not known how it normalises; the config decides']
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
    """Set resize and crop of the test of a config to those of weights.

    What was chosen stays: by an option, or by ``keep_resolution=True`` in the config.

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
    if cfg.get('keep_resolution') or _chosen(cfg, given) & set(GEOMETRY):
        wanted = _beside(names, origin, given)
        return [f'the test is as chosen; checkpoint {origin.filename} wants {wanted}']
    set_geometry(cfg, origin.preprocessing)
    return [f'as checkpoint {origin.filename} wants it: {_beside(names, origin, given)}']


def _differing(given: Mapping, origin: Origin, names: Sequence[str]) -> list[str]:
    """Names that both have with different values."""
    wanted = origin.preprocessing
    return [n for n in names if n in given and n in wanted and given[n] != wanted[n]]


def _chosen(cfg: Config, given: Mapping) -> set[str]:
    """What options or code changed since the config was read from its file."""
    filename = getattr(cfg, 'filename', None)
    if not filename or not os.path.isfile(filename):
        return set()
    # Late: the public names are above the engine.
    from senet_mm.config import get_config

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
