"""The two parts of a ``config.json`` of ours, timm's and the section, must say the same."""

import math
from collections.abc import Iterator
from typing import Any

from senet_mm.engine.weights.origin import Origin, read_origin
from senet_mm.utils.errors import InputError

from .hub_config import SECTION, HubConfig
from .hub_images import to_hub


def read_section(config: HubConfig) -> dict[str, Any]:
    """The section of a config that has one, with what timm's part alone has: names, licence.

    Raises:
        InputError: timm's part contradicts the section.
    """
    meta = dict(config.section or {})
    origin = read_origin(dict(meta=meta), str(config.file))
    for name, given, known in _pair(config, origin):
        if difference := _compare(given, known):
            raise InputError(
                f'{config.file} contradicts itself: {name} {difference[0]}, {SECTION} says '
                f'{difference[1]}; allowed: the same in both, as publish_model.py --hub writes it'
            )
    if config.classes and not origin.classes:
        meta['dataset_meta'] = dict(classes=list(config.classes))
    if config.fields.get('license') and not origin.license:
        meta['license'] = config.fields['license']
    return meta


def _pair(config: HubConfig, origin: Origin) -> Iterator[tuple[str, Any, Any]]:
    """Name, value in timm's part and value by the section, of all that both parts have."""
    if config.classes and origin.classes:
        yield 'label_names', list(config.classes), list(origin.classes)
    described, known = origin.preprocessing, {}
    if described:
        channels = described.get('input_size', [config.in_channels])[0]
        known = to_hub(described, channels)[0]
    if origin.license:
        known['license'] = origin.license
    for name in (name for name in known if name in config.fields):
        yield f'pretrained_cfg.{name}', config.fields[name], known[name]


def _compare(given: Any, known: Any) -> tuple[str, str] | None:
    """The first difference in words, one for each part; None where they are equal."""
    if isinstance(given, list) and isinstance(known, list):
        if len(given) != len(known):
            return f'has {len(given)} entries', str(len(known))
        pairs = enumerate(zip(given, known, strict=True))
        unequal = (i for i, pair in pairs if not _are_equal(*pair))
        number = next(unequal, None)
        if number is None:
            return None
        return f'has {given[number]!r} at {number}', repr(known[number])
    return None if _are_equal(given, known) else (f'is {given!r}', repr(known))


def _are_equal(given: Any, known: Any) -> bool:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (given, known))
    return math.isclose(given, known, rel_tol=1e-6) if numbers else given == known
