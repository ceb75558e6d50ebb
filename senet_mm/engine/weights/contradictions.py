"""What a file of weights says of itself, compared: images, classes, config, tensors."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from senet_mm.datasets.classes import list_names
from senet_mm.models.in_channels import get_in_channels
from senet_mm.utils.errors import InputError
from senet_mm.utils.names import counted

from .preprocessing import (
    FIELDS,
    GEOMETRY,
    describe_preprocessing,
    find_loading,
    get_network,
    get_preprocessor,
)

if TYPE_CHECKING:
    from .origin import Origin

LOADERS = ('val_dataloader', 'test_dataloader')
# What a config in a file, which may have anything anywhere, raises when it is read.
ODD = (AttributeError, KeyError, TypeError, ValueError)


def describe_preparation(config: Mapping, loader: str = 'val_dataloader') -> dict[str, Any]:
    """How a config in a file prepares the images of a loader."""
    try:
        described = describe_preprocessing(config, loader)
        known = get_preprocessor(config)
    except ODD:
        return {}
    # Without a preprocessor its data set may have normalised.
    return {name: value for name, value in described.items() if known or name in GEOMETRY}


def check_contradictions(
    origin: 'Origin',
    where: str,
    tensors: Mapping[str, object] | None = None,
    fields: Collection[str] = FIELDS,
) -> None:
    """Raise an InputError where a file contradicts itself.

    Args:
        origin: What the file says of itself.
        where: The file, for the message.
        tensors: Its tensors by name, where they are known.
        fields: Those of ``preprocessing`` that the config must have, too.
    """
    known = {name: each for name, each in (tensors or {}).items() if isinstance(each, Tensor)}
    _check_images(origin, where, fields)
    number = _count_classes(origin.config, known)
    if origin.classes and number not in (None, len(origin.classes)):
        raise InputError(
            f'{where} contradicts itself: it has the names of {len(origin.classes)} classes '
            f'({list_names(origin.classes)}), its network has {number}; allowed: as many'
        )
    channels = _count_channels(origin.config, known)
    for name in ('mean', 'std'):
        numbers = origin.preprocessing.get(name) or ()
        if channels is not None and len(numbers) not in (0, channels):
            raise InputError(
                f'{where} contradicts itself: its {name} has {len(numbers)} numbers, its network '
                f'takes images of {counted(channels, "channel")}; allowed: one per channel'
            )


def _check_images(origin: 'Origin', where: str, fields: Collection[str]) -> None:
    """Compare the record of the images with the pipeline of the config, of validation or test."""
    described = [describe_preparation(origin.config, loader) for loader in LOADERS]
    for described_by, loader in zip(described, LOADERS, strict=True):
        if described_by and _decodes(origin.config, loader):
            described_by.setdefault('bits', 8)
    given = {'bits': 8, **origin.preprocessing} if origin.preprocessing else {}
    for name, value in given.items():
        others = [each[name] for each in described if name in each]
        if name in fields and others and value not in others:
            raise InputError(
                f'{where} contradicts itself: its preprocessing has {name}={value}, its config '
                f'{name}={others[0]}; allowed: one of both'
            )


def _decodes(config: Mapping, loader: str) -> bool:
    try:
        return bool(find_loading(config, loader))
    except ODD:
        return False


def _count_classes(config: Mapping, tensors: Mapping[str, Tensor]) -> int | None:
    """Classes of the head, by the config or by its tensors; None where neither tells."""
    for part in ('head', 'backbone'):
        number = _get(config, part, 'num_classes')
        if isinstance(number, int) and number > 0:
            return number
    weight = tensors.get('head.fc.weight')
    return None if weight is None or weight.dim() == 0 else len(weight)


def _count_channels(config: Mapping, tensors: Mapping[str, Tensor]) -> int | None:
    """Channels of the images, by the config or by the first convolution."""
    try:
        given = get_in_channels(get_network(config))
    except ODD:
        given = None
    if isinstance(given, int):
        return given
    return next((each.shape[1] for each in tensors.values() if each.dim() == 4), None)


def _get(config: Mapping, part: str, key: str) -> object:
    value = get_network(config).get(part)
    return value.get(key) if isinstance(value, Mapping) else None
