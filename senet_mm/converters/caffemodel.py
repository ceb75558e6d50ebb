"""Reading and writing ``.caffemodel`` files, Caffe's trained networks, without Caffe.

A file is a protocol buffer, a ``NetParameter`` of BVLC's ``caffe.proto``. Only its names, types and
weights are read; what the layers are set to stands in the prototxt that belongs to the file.
"""

import math
import mmap
import os
from typing import NamedTuple

import numpy as np

from senet_mm.engine.weights.digest import check_hash
from senet_mm.utils.files import atomic_file, check_regular_file

from . import caffe_proto as proto
from .wire import Chunk, Field, WireReader, count_bytes, field_chunks, varint


class CaffeLayer(NamedTuple):
    """A layer: its name, its type as V2 calls it, and its weights, float32 arrays."""

    name: str
    type: str
    blobs: list[np.ndarray]


class CaffeModel(NamedTuple):
    """A network: its name and its layers in the order of the file."""

    name: str
    layers: list[CaffeLayer]


def read_caffemodel(path: str | os.PathLike) -> CaffeModel:
    """Read a network of V1 or V2.

    Weights that are packed float32, the rule, come as read-only views of the file, which is mapped
    and not loaded. They must therefore be copied before the file is changed in place.
    A file that was cut off exactly between two layers reads as one of fewer layers: the caller has
    to check that no name is missing.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged or no ``.caffemodel``, or has the hash of another one in its
            name.
    """
    buffer = _map(path)
    try:
        model = _read_net(WireReader(buffer))
        _check_names(model)
    except ValueError as error:
        raise ValueError(
            f'{path} is damaged or no .caffemodel: {error} (it begins with {buffer[:12]!r})'
        ) from error
    return model


def write_caffemodel(path: str | os.PathLike, model: CaffeModel) -> None:
    """Write a network as V2, completely or not at all; the weights are written one by one.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: A ``.caffemodel`` cannot hold this network.
    """
    try:
        _check_names(model)
        chunks = field_chunks(proto.NET_NAME, model.name.encode())
        for layer in model.layers:
            chunks += field_chunks(proto.NET_LAYER, *_layer_chunks(layer))
        size = count_bytes(chunks)
        if size > proto.MAX_BYTES:
            raise ValueError(f'it takes {size} bytes; allowed: up to {proto.MAX_BYTES}')
    except ValueError as error:
        raise ValueError(f'{path} is not written: {error}') from error
    with atomic_file(path) as file:
        for chunk in chunks:
            file.write(chunk if isinstance(chunk, bytes) else np.ascontiguousarray(chunk).data)


def _map(path: str | os.PathLike) -> mmap.mmap:
    """The bytes of a file, not loaded yet."""
    check_regular_file(path, '.caffemodel')
    size = os.path.getsize(path)
    if not 0 < size <= proto.MAX_BYTES:
        raise ValueError(f'{path} has {size} bytes; a .caffemodel has 1 to {proto.MAX_BYTES}')
    check_hash(path)
    with open(path, 'rb') as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _read_net(reader: WireReader) -> CaffeModel:
    name, layers = '', []
    for field in reader.fields(reader.message):
        if field.number == proto.NET_NAME:
            name = reader.text(field)
        elif field.number in proto.LAYER_FIELDS:
            layers.append(_read_layer(reader, field))
    return CaffeModel(name, layers)


def _read_layer(reader: WireReader, message: Field) -> CaffeLayer:
    name, kind, blobs = '', '', []
    name_field, type_field, blobs_field = proto.LAYER_FIELDS[message.number]
    try:
        for field in reader.fields(message):
            if field.number == name_field:
                name = reader.text(field)
            elif field.number == type_field:
                kind = _read_type(reader, field, message.number)
            elif field.number == blobs_field:
                blobs.append(_read_blob(reader, field))
            elif message.number == proto.NET_LAYERS and field.number == proto.V0_LAYER:
                raise ValueError('it has the format V0, of before 2014; allowed: V1 and V2')
    except ValueError as error:
        raise ValueError(f'layer {name[:80]!r}: {error}') from error
    return CaffeLayer(name, kind, blobs)


def _read_type(reader: WireReader, field: Field, layer_number: int) -> str:
    """The type of a layer; one of V1 that Caffe does not know keeps its number."""
    if layer_number == proto.NET_LAYER:
        return reader.text(field)
    number = reader.integer(field)
    return proto.V1_TYPES[number] if 0 <= number < len(proto.V1_TYPES) else str(number)


def _read_blob(reader: WireReader, message: Field) -> np.ndarray:
    numbers: np.ndarray | None = None
    shape: tuple[int, ...] = ()
    legacy: dict[int, int] = {}
    position = message.start
    while position < message.stop:
        field = reader.field(position, message.stop)
        position = field.stop
        if field.number in proto.DTYPES:
            if numbers is not None:
                raise ValueError('the numbers of a blob lie in more than one place')
            dtype = proto.DTYPES[field.number]
            numbers, position = reader.floats(field, message.stop, dtype)
        elif field.number == proto.SHAPE:
            shape = _read_shape(reader, field)
        elif field.number in proto.LEGACY_SHAPE:
            legacy[field.number] = reader.integer(field)
    if legacy:
        shape = tuple(legacy.get(number, 0) for number in proto.LEGACY_SHAPE)
    return _shaped(numbers, shape)


def _read_shape(reader: WireReader, message: Field) -> tuple[int, ...]:
    fields = (field for field in reader.fields(message) if field.number == proto.DIM)
    return tuple(dim for field in fields for dim in reader.integers(field))


def _shaped(numbers: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """The numbers of a blob, (N,), as a float32 array of this shape."""
    count = 0 if numbers is None else numbers.size
    if len(shape) > proto.MAX_AXES:
        raise ValueError(f'a blob has {len(shape)} axes; allowed: up to {proto.MAX_AXES}')
    if min(shape, default=1) < 1 or math.prod(shape) != count:
        raise ValueError(f'a blob of {count} numbers has the shape {shape}')
    try:
        with np.errstate(over='raise', invalid='ignore'):
            return np.ascontiguousarray(numbers, np.float32).reshape(shape)
    except FloatingPointError as error:
        raise ValueError('a number of a blob is too large for float32') from error


def _check_names(model: CaffeModel) -> None:
    """Raise a ValueError unless there are layers and a name tells whose weights are meant."""
    if not model.layers:
        raise ValueError('it has no layers')
    names = set()
    for name in (layer.name for layer in model.layers if layer.blobs):
        if name in names:
            raise ValueError(f'layer {name[:80]!r}: another layer of this name has weights, too')
        names.add(name)


def _layer_chunks(layer: CaffeLayer) -> list[Chunk]:
    name_field, type_field, blobs_field = proto.LAYER_FIELDS[proto.NET_LAYER]
    chunks = field_chunks(name_field, layer.name.encode())
    chunks += field_chunks(type_field, layer.type.encode())
    for index, blob in enumerate(layer.blobs):
        if blob.dtype != np.float32 or not blob.size or blob.ndim > proto.MAX_AXES:
            raise ValueError(
                f'layer {layer.name[:80]!r}: blob {index} is {blob.dtype} of shape {blob.shape}; '
                f'allowed: float32, not empty, up to {proto.MAX_AXES} axes'
            )
        chunks += field_chunks(blobs_field, *_blob_chunks(blob))
    return chunks


def _blob_chunks(blob: np.ndarray) -> list[Chunk]:
    """A blob; a scalar has no shape field, as in Caffe."""
    dims = b''.join(map(varint, blob.shape))
    shape = field_chunks(proto.SHAPE, *field_chunks(proto.DIM, dims)) if dims else []
    return field_chunks(proto.DATA, blob) + shape
