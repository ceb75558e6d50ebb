"""The reader and writer of ``.caffemodel``: variants of the format, and kinds of damage."""

import os
import struct
import tracemalloc

import numpy as np
import pytest

from senet_mm.converters import CaffeLayer, CaffeModel, read_caffemodel, write_caffemodel
from senet_mm.converters.wire import WireReader

# Both were serialised by the protobuf package from the messages of caffe.proto, with fields that
# the reader must pass over: inputs, bottoms, tops, loss weights, phases, diffs, learning rates.
GOLDEN_V2 = bytes.fromhex(
    '0a06676f6c64656e1a046461746120012003200220022800a206130a04646174611205496e70757422046461746'
    '1a2067f0a04636f6e76120b436f6e766f6c7574696f6e1a04646174612204636f6e762d0000003f3a2c2a100000'
    'c03f000000c0000040400000803e3210000010410000104100001041000010413a060a04020102013a293a030a0'
    '1024210000000000000e03f000000000000e0bf4a100000000000001c400000000000001c405001'
)
GOLDEN_V1 = bytes.fromhex(
    '0a06676f6c64656e120b1201642204706f6f6c2811124822026663280e322208011001180220032a180000803f00'
    '00004000004040000080400000a0400000c040321208011001180120022a080000003f000000bf3d0000803f3d00'
    '000040'
)


def varint(value: int) -> bytes:
    low, rest = value % 128, value // 128
    return bytes([low + 128]) + varint(rest) if rest else bytes([low])


def integer(number: int, value: int) -> bytes:
    return varint(number * 8) + varint(value % 2**64)


def packed(number: int, value: bytes | str) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return varint(number * 8 + 2) + varint(len(value)) + value


def float32(number: int, value: float) -> bytes:
    return varint(number * 8 + 5) + struct.pack('<f', value)


def float64(number: int, value: float) -> bytes:
    return varint(number * 8 + 1) + struct.pack('<d', value)


def data(*values: float) -> bytes:
    return packed(5, struct.pack(f'<{len(values)}f', *values))


def shape(*dims: int) -> bytes:
    return packed(7, packed(1, b''.join(varint(dim % 2**64) for dim in dims)))


def legacy(*dims: int) -> bytes:
    return b''.join(integer(number, dim) for number, dim in enumerate(dims, 1))


def net(*blobs: bytes) -> bytes:
    """A V2 net of one layer, 'conv', with these blobs."""
    layer = packed(1, 'conv') + packed(2, 'Convolution') + b''.join(packed(7, b) for b in blobs)
    return packed(1, 'net') + packed(100, layer)


def net_v1(*fields: bytes) -> bytes:
    """A V1 net of one layer, 'conv', with these further fields."""
    return packed(2, packed(4, 'conv') + b''.join(fields))


def random_model() -> CaffeModel:
    rng = np.random.default_rng(0)

    def blob(*dims: int) -> np.ndarray:
        return np.asarray(rng.standard_normal(dims), np.float32)

    return CaffeModel(
        'Nét',
        [
            CaffeLayer('data', 'Data', []),
            CaffeLayer('data', 'Data', []),
            CaffeLayer('conv1/7x7_s2', 'Convolution', [blob(4, 3, 7, 7)]),
            CaffeLayer('conv1/7x7_s2/bn', 'BatchNorm', [blob(4), blob(4), blob(1)]),
            CaffeLayer('fc', 'InnerProduct', [blob(200, 4), blob(200), blob()]),
            CaffeLayer('own', '', [np.float32([np.nan, np.inf, -0.0, 1e-45])]),
        ],
    )


def assert_same(model: CaffeModel, other: CaffeModel) -> None:
    assert model.name == other.name
    assert [layer[:2] for layer in model.layers] == [layer[:2] for layer in other.layers]
    for layer, other_layer in zip(model.layers, other.layers, strict=True):
        for blob, other_blob in zip(layer.blobs, other_layer.blobs, strict=True):
            assert blob.dtype == other_blob.dtype == np.float32
            assert blob.shape == other_blob.shape
            assert blob.tobytes() == other_blob.tobytes()


def read(path: os.PathLike, content: bytes) -> CaffeModel:
    path.write_bytes(content)
    return read_caffemodel(path)


@pytest.fixture
def path(tmp_path) -> os.PathLike:
    return tmp_path / 'se.caffemodel'


def test_write_then_read_is_identity(path):
    write_caffemodel(path, random_model())
    assert_same(read_caffemodel(path), random_model())
    assert os.listdir(path.parent) == [path.name]


def test_read_then_write_over_the_same_file_is_identity(path):
    write_caffemodel(path, random_model())
    before = path.read_bytes()
    write_caffemodel(path, read_caffemodel(path))
    assert path.read_bytes() == before


def test_written_bytes_are_those_of_protobuf(path):
    content = net(data(1, 2) + shape(1, 2), data(0.5))
    write_caffemodel(path, read(path, content))
    assert path.read_bytes() == content


def test_a_strided_array_is_written_in_its_own_order(path):
    blob = np.arange(12, dtype=np.float32).reshape(3, 4)[::-1].T
    write_caffemodel(path, CaffeModel('', [CaffeLayer('fc', 'InnerProduct', [blob])]))
    assert np.array_equal(read_caffemodel(path).layers[0].blobs[0], blob)


def test_golden_v2(path):
    model = read(path, GOLDEN_V2)
    conv = [np.float32([[[[1.5], [-2]]], [[[3], [0.25]]]]), np.float32([0.5, -0.5])]
    layers = [CaffeLayer('data', 'Input', []), CaffeLayer('conv', 'Convolution', conv)]
    assert_same(model, CaffeModel('golden', layers))


def test_golden_v1(path):
    model = read(path, GOLDEN_V1)
    fc = [np.float32([[[[1, 2, 3], [4, 5, 6]]]]), np.float32([[[[0.5, -0.5]]]])]
    layers = [CaffeLayer('pool', 'Pooling', []), CaffeLayer('fc', 'InnerProduct', fc)]
    assert_same(model, CaffeModel('golden', layers))


SINGLE_DIMS = packed(7, integer(1, 2) + integer(1, 3))
BLOBS = {
    'packed': data(*range(6)) + shape(2, 3),
    'shape first': shape(2, 3) + data(*range(6)),
    'single dims': data(*range(6)) + SINGLE_DIMS,
    'unpacked': b''.join(float32(5, value) for value in range(6)) + shape(2, 3),
    'unpacked at the end': shape(2, 3) + b''.join(float32(5, value) for value in range(6)),
    'packed double': packed(8, struct.pack('<6d', *range(6))) + shape(2, 3),
    'unpacked double': shape(2, 3) + b''.join(float64(8, value) for value in range(6)),
    'with a diff': data(*range(6)) + packed(6, b'\xff' * 24) + shape(2, 3),
    'unknown fields': integer(15, 2**64 - 1) + data(*range(6)) + float64(99, 1) + shape(2, 3),
    'a long tag': b'\xad\x80\x00' + struct.pack('<f', 0)
    + b''.join(float32(5, value) for value in range(1, 6)) + shape(2, 3),
}  # fmt: skip


@pytest.mark.parametrize('blob', BLOBS.values(), ids=BLOBS)
@pytest.mark.parametrize('version', [1, 2])
def test_variants_of_a_blob(path, blob, version):
    model = read(path, net(blob) if version == 2 else net_v1(packed(6, blob)))
    (read_blob,) = model.layers[0].blobs
    assert read_blob.dtype == np.float32
    assert np.array_equal(read_blob, np.arange(6).reshape(2, 3))


@pytest.mark.parametrize('extra', [b'', shape(6)])
def test_legacy_shape_wins_as_in_caffe(path, extra):
    model = read(path, net(legacy(1, 1, 2, 3) + data(*range(6)) + extra))
    assert model.layers[0].blobs[0].shape == (1, 1, 2, 3)


@pytest.mark.parametrize(
    ('number', 'name'),
    [(0, ''), (4, 'Convolution'), (14, 'InnerProduct'), (18, 'ReLU'), (21, 'SoftmaxWithLoss'),
     (33, 'Slice'), (39, 'Deconvolution'), (40, '40'), (-1, '-1')],
)  # fmt: skip
def test_types_of_v1(path, number, name):
    assert read(path, net_v1(integer(5, number))).layers[0].type == name


def test_packed_float32_is_a_view_of_the_file(path):
    weights = np.ones((512, 512), np.float32)
    model = CaffeModel('net', [CaffeLayer(str(i), 'Convolution', [weights]) for i in range(8)])
    tracemalloc.start()
    write_caffemodel(path, model)
    blob = read_caffemodel(path).layers[0].blobs[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < weights.nbytes / 2
    assert not blob.flags.owndata
    assert not blob.flags.writeable


OK = data(1) + shape(1)
DAMAGE = {
    'an empty file': (b'', 'has 0 bytes; a .caffemodel has 1'),
    'a text file': (b'hello, this is no network\n' * 9, 'begins with .*hello'),
    'a prototxt': (b'name: "SENet"\nlayer {\n  name: "data"\n}\n', 'begins with .*name'),
    'an HTML page': (b'<!DOCTYPE html><html></html>', 'begins with .*DOCTYPE'),
    'a zip': (b'PK\x03\x04\x00\x00\x08\x08' + bytes(64), 'begins with .*PK'),
    'a pickle': (b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.', 'begins with'),
    'no layers': (packed(1, 'net'), 'no layers'),
    'truncated': (net(OK)[:-1], r'wants \d+ bytes, \d+ are left'),
    'a length past the end': (packed(1, 'net') + b'\xa2\x06\x7f', 'wants 127 bytes, 0 are left'),
    'an absurd length': (b'\xa2\x06' + varint(2**63), f'wants {2**63} bytes'),
    'a blob past its layer': (
        packed(100, packed(1, 'conv') + b'\x3a\x7f') + bytes(200), "'conv'.*wants 127"),
    'a varint of 11 bytes': (b'\x18' + b'\x80' * 10 + b'\x01' + net(OK), 'at most 64 bits'),
    'a varint of 70 bits': (b'\x18' + b'\xff' * 9 + b'\x7f' + net(OK), 'at most 64 bits'),
    'an unfinished varint': (net(OK) + b'\x80', 'at most 64 bits'),
    'field 0': (net(OK) + b'\x00\x00', 'starts no field'),
    'an absurd field number': (net(OK) + varint(2**32) + b'\x00', 'starts no field'),
    'a group': (net(OK) + b'\x0b\x0c', 'starts no field'),
    'wire type 7': (net(OK) + b'\x0f' + bytes(9), 'starts no field'),
    'a layer that is an integer': (integer(100, 1), 'field 100 has wire type 0; allowed: 2'),
    'a name that is an integer': (integer(1, 1) + net(OK), 'field 1 has wire type 0'),
    'a name that is no UTF-8': (packed(1, b'\xff') + net(OK), 'utf-8'),
    'a name of 100,000 bytes': (packed(1, 'n' * 100_000) + net(OK), 'text of 100000 bytes'),
    'fewer numbers than its shape': (
        net(OK, data(1, 2) + shape(3)), r"'conv': a blob of 2 numbers has the shape \(3,\)"),
    'more numbers than its shape': (net(data(1, 2) + shape(1)), "'conv': a blob of 2 numbers"),
    'no numbers': (net(shape(1)), "'conv': a blob of 0 numbers"),
    'no shape': (net(data(1, 2)), r"'conv': a blob of 2 numbers has the shape \(\)"),
    'half a legacy shape': (net(data(1, 2) + integer(1, 2)), r'\(2, 0, 0, 0\)'),
    'an empty blob': (net(b''), "'conv': a blob of 0 numbers"),
    'a dim of 0': (net(data() + shape(0)), r'a blob of 0 numbers has the shape \(0,\)'),
    'a negative dim': (net(data(1) + shape(-1, -1)), r'the shape \(-1, -1\)'),
    'a negative legacy dim': (net(data(1) + legacy(1, 1, -1, -1)), r'the shape \(1, 1, -1, -1\)'),
    'an absurd dim': (net(data(1) + shape(2**62)), f'the shape .{2**62},'),
    'dims that overflow to 1': (net(data(1) + shape(2**32, 2**32, 1)), 'the shape'),
    'too many dims': (net(data(1) + shape(*[1] * 33)), 'a blob has 33 axes; allowed: up to 32'),
    'a float dim': (net(data(1) + packed(7, float32(1, 1))), 'field 1 has wire type 5'),
    'a packed legacy dim': (net(data(1) + packed(1, b'\x01')), 'field 1 has wire type 2'),
    'half a number': (net(packed(5, b'\x00' * 6) + shape(1)), '6 bytes are no row of float32'),
    'a double as float': (net(float64(5, 1) + shape(1)), 'field 5 has wire type 1; allowed: 5'),
    'a float as double': (net(float32(8, 1) + shape(1)), 'field 8 has wire type 5; allowed: 1'),
    'integers as floats': (net(integer(5, 1) + shape(1)), 'field 5 has wire type 0'),
    'too large a double': (net(float64(8, 1e300) + shape(1)), 'too large for float32'),
    'numbers in two places': (net((float32(5, 1) + integer(15, 1)) * 2 + shape(2)), 'one place'),
    'numbers of two kinds': (net(data(1) + float64(8, 1) + shape(1)), 'one place'),
    'a type of V1 that is a text': (net_v1(packed(5, 'ReLU')), "'conv': field 5 has wire type 2"),
    'a type of V2 that is a number': (packed(100, integer(2, 4)), 'field 2 has wire type 0'),
    'V0': (packed(2, packed(1, packed(1, 'conv'))), 'V0.*allowed: V1 and V2'),
    'a name twice': (net(OK) * 2, "'conv': another layer of this name"),
    'a name with a line break': (packed(100, packed(1, 'a\nb') + packed(7, b'')), r"'a\\nb'"),
}  # fmt: skip


@pytest.mark.parametrize(('content', 'message'), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_told_in_one_line(path, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(path, content)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_of_many_tiny_fields_costs_neither_time_nor_memory():
    reader = WireReader(packed(100, b'') * 100, max_varints=100)
    with pytest.raises(ValueError, match='too many fields'):
        list(reader.fields(reader.message))


def test_missing_file(path):
    with pytest.raises(FileNotFoundError, match=r'^\.caffemodel \S+se\.caffemodel does not exist$'):
        read_caffemodel(path)


def test_a_folder_or_a_pipe_is_no_file(tmp_path, path):
    os.mkfifo(path)
    for no_file in (path, tmp_path):
        with pytest.raises(ValueError, match=f'^.caffemodel {no_file} is a f'):
            read_caffemodel(no_file)


@pytest.fixture(params=['V2', 'V1', 'unpacked'])
def small(request) -> bytes:
    unpacked = b''.join(float32(5, value) for value in range(6)) + shape(2, 3)
    return {'V2': GOLDEN_V2, 'V1': GOLDEN_V1, 'unpacked': net(unpacked)}[request.param]


def assert_valid_or_refused(path: os.PathLike, content: bytes) -> None:
    refusal = None
    try:
        model = read(path, content)
    except ValueError as error:
        refusal = str(error)
    if refusal is None:
        assert isinstance(model.name, str)
        blobs = [blob for layer in model.layers for blob in layer.blobs]
        assert all(blob.dtype == np.float32 and blob.size for blob in blobs)
    else:
        assert refusal.startswith(str(path))
        assert len(refusal.splitlines()) == 1


def test_every_prefix_is_read_or_refused(path, small):
    for length in range(len(small)):
        assert_valid_or_refused(path, small[:length])


def test_flipped_bytes_are_read_or_refused(path, small):
    rng = np.random.default_rng(0)
    for _ in range(500):
        content = np.frombuffer(small, np.uint8).copy()
        content[rng.integers(len(content), size=rng.integers(1, 4))] = rng.integers(256)
        assert_valid_or_refused(path, content.tobytes())


def test_random_bytes_are_read_or_refused(path):
    rng = np.random.default_rng(0)
    for length in rng.integers(1, 64, size=500):
        assert_valid_or_refused(path, rng.bytes(length))


def one_layer(*blobs: np.ndarray, name: str = 'conv') -> CaffeModel:
    return CaffeModel('net', [CaffeLayer(name, 'Convolution', list(blobs))])


@pytest.mark.parametrize(
    ('model', 'message'),
    [
        (CaffeModel('net', []), 'no layers'),
        (one_layer(np.zeros(3)), "layer 'conv': blob 0 is float64 .* allowed: float32"),
        (one_layer(np.zeros(1, 'f4'), np.zeros((2, 0), 'f4')), r'blob 1 is .* shape \(2, 0\)'),
        (one_layer(np.zeros([1] * 33, 'f4')), 'up to 32 axes'),
        (one_layer(np.zeros(1, 'f4'), name='\ud800'), 'utf-8'),
        (one_layer(np.broadcast_to(np.float32(0), 1 << 29)), 'allowed: up to 2147483647'),
        (CaffeModel('net', one_layer(np.zeros(1, 'f4')).layers * 2), 'another layer of this name'),
    ],
)
def test_what_cannot_be_read_again_is_not_written(path, model, message):
    path.write_text('before')
    with pytest.raises(ValueError, match=message) as caught:
        write_caffemodel(path, model)
    assert str(caught.value).startswith(f'{path} is not written')
    assert len(str(caught.value).splitlines()) == 1
    assert path.read_text() == 'before'
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize('step', ['fsync', 'replace'])
def test_a_failed_write_leaves_the_old_file(path, monkeypatch, step):
    def fail(*_):
        raise OSError('disk full')

    path.write_text('before')
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match='disk full'):
        write_caffemodel(path, random_model())
    assert path.read_text() == 'before'
    assert os.listdir(path.parent) == [path.name]


def test_writing_into_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'^folder \S+/away does not exist$'):
        write_caffemodel(tmp_path / 'away' / 'se.caffemodel', random_model())
