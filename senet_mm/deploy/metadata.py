"""The record of a network inside of its exported file: images, names of classes, config, origin.

The record is one JSON text, named ``senet_mm``: in ``metadata_props`` of ONNX, in the extra file
``senet_mm.json`` of a program of ``torch.export``, in ``rt_info`` of OpenVINO's XML. Reading needs
no network to be built, and nothing in a file is executed.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from senet_mm.datasets.classes import is_names
from senet_mm.engine.weights.preprocessing import check_preprocessing
from senet_mm.utils.errors import InputError
from senet_mm.utils.files import check_memory, check_regular_file
from senet_mm.utils.options import check_option

from .containers import CONTAINERS, LONGEST, Container


def write_record(path: str | os.PathLike, record: Mapping[str, Any]) -> None:
    """Put a record into an exported file, in place of an earlier one.

    Args:
        path: A file of one of :data:`CONTAINERS`.
        record: ``preprocessing``, ``classes``, ``config``, ``recipe``, ``license``, ``source``, and
            whatever else is plain data.

    Raises:
        InputError: The file is none of those.
    """
    container, path = _open(path)
    text = json.dumps(dict(record), allow_nan=False)
    assert len(text) <= LONGEST, len(text)
    try:
        container.write(path, text)
    except (ValueError, ElementTree.ParseError) as error:
        raise _damaged(path, error) from error


def read_record(path: str | os.PathLike) -> dict[str, Any] | None:
    """The record of an exported file; None where it has none, as files of others.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is of no kind of :data:`CONTAINERS`, or damaged.
    """
    container, path = _open(path)
    try:
        text = container.read(path)
        if text is None:
            return None
        if len(text) > LONGEST:
            raise ValueError(f'its record has {len(text)} bytes; allowed: {LONGEST}')
        record = json.loads(text)
    except (ValueError, ElementTree.ParseError, RecursionError) as error:
        raise _damaged(path, error) from error
    return _check(record, path)


def _damaged(path: Path, error: Exception) -> InputError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return InputError(f'exported file {path} is damaged or no {path.suffix}: {reason}')


def _open(path: str | os.PathLike) -> tuple[Container, Path]:
    path = Path(path)
    check_option('suffix of an exported file', path.suffix.lower(), CONTAINERS)
    check_regular_file(path, 'exported file')
    check_memory(path, 'exported file')
    return CONTAINERS[path.suffix.lower()], path


def _check(record: object, path: Path) -> dict[str, Any]:
    """A record that somebody else may have written.

    Raises:
        InputError: It cannot be one.
    """
    if not isinstance(record, dict):
        raise InputError(f'exported file {path}: its record is no dict')
    preprocessing = record.get('preprocessing') or {}
    try:
        preprocessing = check_preprocessing(preprocessing, f'exported file {path}')
    except ValueError as error:
        raise InputError(str(error)) from error
    classes = record.get('classes')
    if classes is not None and not _is_names(classes):
        raise InputError(
            f'exported file {path}: classes={classes!r:.80}; allowed: a list of names, none '
            'of them empty'
        )
    for name in ('config', 'recipe', 'license', 'source'):
        if not isinstance(record.get(name), str | None):
            raise InputError(f'exported file {path}: {name}={record[name]!r:.80}; allowed: a text')
    return record | dict(preprocessing=preprocessing, classes=classes)


def describe_input(record: Mapping[str, Any], size: Sequence[int], with_images: bool) -> str:
    """What a network takes, in words.

    Args:
        record: Its record.
        size: Of prepared images, (C, H, W).
        with_images: Whether the network prepares them itself.
    """
    preprocessing = record['preprocessing']
    channels, height, width = size
    if with_images:
        kind = {1: 'grey', 3: 'RGB', 4: 'RGBA'}.get(channels, 'multi-channel')
        return f'uint8 (N, H, W, {channels}), {kind} images'
    shape = f'float32 (N, {channels}, {height}, {width})'
    if 'mean' not in preprocessing:
        return shape
    order = preprocessing['channel_order'] or ('grey' if channels == 1 else 'all channels')
    values = '0 to 255' if preprocessing['mean'] is None else '(0 to 255 - mean) / std'
    return f'{shape}, {order}, {values}, resized and cropped as preprocessing says'


def _is_names(value: Any) -> bool:
    return is_names(value) and all(isinstance(name, str) for name in value)
