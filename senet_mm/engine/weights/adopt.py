"""Sets how a config prepares images to what its weights were trained with."""

import os
from collections.abc import Mapping, Sequence

from mmengine.config import Config

from senet_mm.config.channels import adapt_numbers, apply_in_channels
from senet_mm.config.reading import read_config

from .origin import Origin
from .preprocessing import (
    GEOMETRY,
    NORMALISATION,
    count_channels,
    describe_preprocessing,
    get_preprocessor,
    set_geometry,
    set_normalisation,
)
from .stem import adapt_preprocessing, is_for


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
    channels = count_channels(cfg)
    if not is_for(origin.preprocessing, channels):
        if _has_own_statistics(cfg, given, channels):
            return [*lines, _describe_own(given, origin, channels)]
        adapted = adapt_preprocessing(origin.preprocessing, channels)
        origin = origin._replace(preprocessing=adapted)
    names = _differing(given, origin, NORMALISATION)
    if chosen := [name for name in names if name in _chosen(cfg, given)]:
        raise ValueError(_contradiction(chosen[0], given, origin))
    if origin.preprocessing.get('bits', 8) > given.get('bits', 8):
        given, names = {'bits': 8, **given}, [*names, 'bits']
    if names:
        set_normalisation(cfg, origin.preprocessing)
        lines.append(f'as checkpoint {origin.filename} wants it: {_beside(names, origin, given)}')
    return lines


def _describe_own(given: Mapping, origin: Origin, channels: int) -> str:
    return (
        f'checkpoint {origin.filename} is for images of another number of channels; those of '
        f'{channels} are normalised as the config says: mean={given["mean"]}, std={given["std"]}'
    )


def _has_own_statistics(cfg: Config, given: Mapping, channels: int) -> bool:
    """Whether a config or an option gives mean and std for its channels, not for three."""
    filename = getattr(cfg, 'filename', None)
    if not filename or not os.path.isfile(filename):
        return True
    # As it is written: before ``in_channels`` has set anything.
    preprocessor = get_preprocessor(read_config(filename)[0])
    written = {name: preprocessor.get(name) or () for name in ('mean', 'std')}
    # One number holds for all channels.
    return any(
        len(numbers) in (1, channels) or given[name] != adapt_numbers(numbers, channels)
        for name, numbers in written.items()
    )


def check_normalisation(cfg: Config, origin: Origin) -> None:
    """Raise a ValueError where a config normalises otherwise than weights want it.

    Weights for images of another number of channels want nothing of those of the config.
    """
    if not is_for(origin.preprocessing, count_channels(cfg)):
        return
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

    file = get_config(filename)
    if cfg.get('in_channels'):
        file.in_channels = cfg.in_channels
        apply_in_channels(file)
    written = describe_preprocessing(file)
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
