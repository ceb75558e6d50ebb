"""``config.json``, which timm's hub keeps beside weights: read as data, whoever wrote it."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from senet_mm.engine.weights.geometry import is_side
from senet_mm.engine.weights.preprocessing import FIELDS
from senet_mm.utils.errors import InputError
from senet_mm.utils.files import check_regular_file

CONFIG = 'config.json'
# The part of the file that is ours: the meta of a checkpoint.
SECTION = 'senet_mm'
LARGEST = 10_000_000
MOST_CLASSES = 1_000_000
# Arguments that change neither tensors nor outputs, or are read here.
ARGUMENTS = ('drop_path_rate', 'drop_rate', 'global_pool', 'in_chans', 'num_classes')


class OtherProjectError(InputError):
    """A ``config.json`` that names no architecture, as that of another package."""


class HubConfig(NamedTuple):
    """What a ``config.json`` says.

    Attributes:
        file: The file.
        architecture: Name of the network in timm, or one that timm does not know.
        num_classes: Number of classes.
        in_channels: Channels of images.
        classes: Names of the classes, None where it has none.
        fields: timm's ``pretrained_cfg``.
        section: The part of ours, the meta of a checkpoint; None where it has none.
    """

    file: Path
    architecture: str
    num_classes: int
    in_channels: int
    classes: tuple[str, ...] | None
    fields: Mapping[str, Any]
    section: Mapping[str, Any] | None


def read_hub_config(file: str | os.PathLike) -> HubConfig:
    """Read the ``config.json`` of a folder of timm's hub, in its form of today or the one before.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is damaged, or none of timm.
    """
    file = Path(file)
    check_regular_file(file, 'config')
    if file.stat().st_size > LARGEST:
        raise InputError(f'{file} has {file.stat().st_size} bytes; allowed: up to {LARGEST}')
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f'{file} is no config of a network of timm, no JSON: {error}') from error
    try:
        return _to_config(file, content)
    except OtherProjectError:
        raise
    except ValueError as error:
        raise InputError(f'{file} is no config of a network of timm: {error}') from error


def find_hub_config(weights: str | os.PathLike) -> HubConfig | None:
    """The ``config.json`` beside a file of weights; None without one, or with one of others."""
    file = Path(weights).with_name(CONFIG)
    if not os.path.lexists(file):
        return None
    try:
        return read_hub_config(file)
    except OtherProjectError:
        return None


def _to_config(file: Path, content: object) -> HubConfig:
    if not isinstance(content, dict):
        raise ValueError(f'it is {type(content).__name__}; allowed: a dict')
    if not content.keys() & {'architecture', 'pretrained_cfg'}:
        raise OtherProjectError(f'{file} has no architecture; allowed: a config.json of timm')
    if not isinstance(content.get('architecture'), str):
        raise ValueError(f'its architecture is {content.get("architecture")!r}; allowed: a name')
    fields = content.get('pretrained_cfg', content)
    arguments = content.get('model_args') or {}
    section = content.get(SECTION)
    for name, value in (('pretrained_cfg', fields), ('model_args', arguments)):
        if not isinstance(value, dict):
            raise ValueError(f'{name} is {type(value).__name__}; allowed: a dict')
    if not isinstance(section, dict | None):
        raise ValueError(f'{SECTION} is {type(section).__name__}; allowed: a dict')
    _check_arguments(content, arguments)
    size = fields.get('input_size', [3, 224, 224])
    if not FIELDS['input_size'][1](size):
        raise ValueError(f'input_size={size!r}; allowed: [channels, height, width]')
    in_channels = arguments.get('in_chans', size[0])
    if not is_side(in_channels):
        raise ValueError(f'in_chans={in_channels!r}; allowed: from 1')
    number = content.get('num_classes', fields.get('num_classes', 1000))
    if type(number) is not int or not 1 <= number <= MOST_CLASSES:
        raise ValueError(f'num_classes={number!r}; allowed: from 1 to {MOST_CLASSES}')
    classes = _read_classes(content, fields, number)
    name = content['architecture']
    return HubConfig(file, name, number, in_channels, classes, fields, section)


def _check_arguments(content: Mapping, arguments: Mapping) -> None:
    """Raise a ValueError for arguments that make another network of an architecture."""
    if other := sorted(arguments.keys() - set(ARGUMENTS)):
        raise ValueError(f'model_args has {other[0]}; allowed: {", ".join(ARGUMENTS)}')
    for owner in (content, arguments):
        if owner.get('global_pool', 'avg') != 'avg':
            raise ValueError(f'global_pool={owner["global_pool"]!r}; allowed: avg')


def _read_classes(content: Mapping, fields: Mapping, number: int) -> tuple[str, ...] | None:
    """The names of the classes: those for people, where each has one."""
    names = content.get('label_names', fields.get('label_names', content.get('labels')))
    if isinstance(names, dict):  # by index
        names = [names.get(str(i)) for i in range(len(names))]
    if names is None:
        return None
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ValueError('label_names is no list of texts')
    if len(names) != number:
        raise ValueError(f'label_names has {len(names)} names; allowed: {number}, as num_classes')
    described = content.get('label_descriptions', fields.get('label_descriptions'))
    if isinstance(described, dict) and all(isinstance(described.get(n), str) for n in names):
        return tuple(described[name] for name in names)
    return tuple(names)


def _check_numbers(config: HubConfig) -> None:
    """Raise an InputError for a mean, deviation or share of the crop that is none."""
    for name, is_list in (('mean', True), ('std', True), ('crop_pct', False)):
        value = config.fields.get(name)
        numbers = value if is_list and isinstance(value, list | tuple) else [value]
        is_right = all(type(number) in (int, float) for number in numbers)
        if is_list != isinstance(value, list | tuple) or not is_right or value == 0:
            allowed = 'a number per channel' if is_list else 'a number above 0'
            raise InputError(
                f'{config.file} is no config of a network of timm: {name}={value!r}; '
                f'allowed: {allowed}'
            )


def describe_images(config: HubConfig) -> dict[str, Any]:
    """How images are prepared, in our words; nothing where timm's fields are not there.

    Raises:
        InputError: It is done as ours cannot, or a value is of another type.
    """
    fields = config.fields
    if 'crop_pct' not in fields and 'mean' not in fields:
        return {}
    _check_numbers(config)
    try:
        size, share = fields['input_size'], fields['crop_pct']
        mode = fields.get('crop_mode', 'center')
        mean, std = ([round(255 * value, 6) for value in fields[key]] for key in ('mean', 'std'))
        resize = math.floor(size[1] / share)
        found = dict(mean=mean, std=std, crop=size[1], interpolation=fields['interpolation'])
    except Exception as error:  # whatever a value of another type raises
        raise InputError(f'{config.file} is no config of a network of timm: {error!r}') from error
    if mode not in ('center', 'squash') or size[1] != size[2]:
        raise InputError(
            f'{config.file} has crop_mode={mode!r}, input_size={size}; allowed: center or squash, '
            'a square'
        )
    if config.in_channels != 3:
        found |= dict(channel_order=None, input_size=[config.in_channels, *size[1:]])
    return found | dict(resize=[resize, resize] if mode == 'squash' else resize)
