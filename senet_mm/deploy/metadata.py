"""The record of a network inside of its exported file: images, names of classes, config, origin.

The record is one JSON text, named ``senet_mm``: in ``metadata_props`` of ONNX, in the extra file
``senet_mm.json`` of a program of ``torch.export``, in ``rt_info`` of OpenVINO's XML. Reading needs
no network to be built, and nothing in a file is executed.
"""

import importlib.util
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from senet_mm.engine.weights.archive import open_archive
from senet_mm.engine.weights.preprocessing import check_preprocessing
from senet_mm.utils.errors import InputError, MissingModuleError
from senet_mm.utils.files import atomic_file, check_memory, check_regular_file
from senet_mm.utils.options import check_option

NAME = 'senet_mm'
# Bytes; the names of 20,000 classes take less than one million.
LONGEST = 1 << 24


class Container(NamedTuple):
    """How a kind of file keeps a text.

    Attributes:
        read: The text of a file, None where it has none.
        write: Puts a text into a file, in place of an earlier one.
    """

    read: Callable[[Path], str | None]
    write: Callable[[Path, str], None]


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
    check_option('suffix of an exported file', path.suffix, CONTAINERS)
    check_regular_file(path, 'exported file')
    check_memory(path, 'exported file')
    return CONTAINERS[path.suffix], path


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
        raise InputError(f'exported file {path}: classes={classes!r:.80}; allowed: a list of names')
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
        kind = {1: 'grey', 3: 'RGB', 4: 'RGBA'}.get(channels, 'in the order of the channels')
        return f'uint8 (N, H, W, {channels}), {kind}'
    shape = f'float32 (N, {channels}, {height}, {width})'
    if 'mean' not in preprocessing:
        return shape
    order = preprocessing['channel_order'] or f'{channels} channel(s)'
    values = '0 to 255' if preprocessing['mean'] is None else '(0 to 255 - mean) / std'
    return f'{shape}, {order}, {values}, resized and cropped as preprocessing says'


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def need(package: str, extra: str) -> None:
    """Raise an ImportError that names the extra, unless a package is installed."""
    if importlib.util.find_spec(package) is None:
        raise MissingModuleError(
            f"{package} is not installed; mend it with: pip install -e '.[{extra}]'"
        )


def _load_onnx(path: Path) -> Any:
    need('onnx', 'deploy')
    import onnx
    from google.protobuf.message import DecodeError

    try:
        # Weights that lie in other files stay there.
        return onnx.load_model(path, load_external_data=False)
    except DecodeError as error:
        raise ValueError(str(error)) from error


def _read_onnx(path: Path) -> str | None:
    texts = {entry.key: entry.value for entry in _load_onnx(path).metadata_props}
    return texts.get(NAME)


def _write_onnx(path: Path, text: str) -> None:
    model = _load_onnx(path)
    entries = [entry for entry in model.metadata_props if entry.key != NAME]
    del model.metadata_props[:]
    model.metadata_props.extend(entries)
    model.metadata_props.add(key=NAME, value=text)
    with atomic_file(path) as file:
        file.write(model.SerializeToString())


def _is_record(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry is what torch calls the extra file; a folder comes before its name."""
    return entry.filename.partition('/')[2] == f'extra/{NAME}.json'


def _read_program(path: Path) -> str | None:
    with open(path, 'rb') as file, open_archive(file) as archive:
        entry = next(filter(_is_record, archive.infolist()), None)
        # No more than is checked afterwards.
        return None if entry is None else archive.open(entry).read(LONGEST + 1).decode()


def _write_program(path: Path, text: str) -> None:
    with (
        open(path, 'rb') as file,
        open_archive(file) as old,
        atomic_file(path) as target,
        zipfile.ZipFile(target, 'w') as new,
    ):
        for entry in old.infolist():
            if not _is_record(entry):
                new.writestr(entry, old.read(entry))
        folder = old.namelist()[0].partition('/')[0]
        new.writestr(f'{folder}/extra/{NAME}.json', text)


def _load_xml(path: Path) -> ElementTree.Element:
    network = ElementTree.parse(path).getroot()
    if network.tag != 'net':
        raise ValueError('it is no network of OpenVINO')
    return network


def _read_xml(path: Path) -> str | None:
    entry = _load_xml(path).find(f'rt_info/{NAME}')
    return None if entry is None else entry.get('value')


def _write_xml(path: Path, text: str) -> None:
    network = _load_xml(path)
    info = network.find('rt_info')
    if info is None:
        info = ElementTree.SubElement(network, 'rt_info')
    for entry in info.findall(NAME):
        info.remove(entry)
    ElementTree.SubElement(info, NAME, value=text)
    with atomic_file(path) as file:
        file.write(ElementTree.tostring(network, encoding='utf-8', xml_declaration=True))


CONTAINERS = {
    '.onnx': Container(_read_onnx, _write_onnx),
    '.pt2': Container(_read_program, _write_program),
    '.xml': Container(_read_xml, _write_xml),
}
