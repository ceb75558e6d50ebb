"""Where each kind of exported file keeps a text, and how it is read and written.

Reading needs no network to be built, and nothing in a file is executed.
"""

import importlib.util
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from senet_mm.engine.weights.archive import open_archive
from senet_mm.utils.errors import MissingModuleError
from senet_mm.utils.files import atomic_file

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
