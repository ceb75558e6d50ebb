"""Files of weights from strangers, each made from a whole checkpoint: name -> how it is made.

None may execute anything, hang, take memory without bound, or end in more than a line.
"""

import io
import json
import os
import pickle
import struct
import tarfile
import zipfile

import torch

from . import hostile as h

# Bytes of which a storage, a tensor or a sparse file pretends to be.
TERA = 1 << 40
MAGIC = b'\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.'


class Calls:
    """Its pickle writes a file when it is loaded."""

    def __init__(self, proof):
        self.proof = str(proof)

    def __reduce__(self):
        return (open, (self.proof, 'w'))


def saved(content, **options):
    def make(whole, file):
        torch.save(content(whole) if callable(content) else content, file, **options)

    return make


def written(data):
    return lambda whole, file: file.write_bytes(data)


def spliced(value):
    return lambda whole, file: h.splice(whole, file, value)


def changed(change):
    """The whole checkpoint with another content."""

    def make(whole, file):
        content = torch.load(whole, weights_only=False)
        change(content)
        torch.save(content, file)

    return make


def calls(whole, file):
    h.splice(whole, file, h.execute(f"open('{file}.proof', 'w')"))


def calls_of_pickle(whole, file):
    torch.save({'state_dict': Calls(f'{file}.proof')}, file)


def calls_of_legacy(whole, file):
    content = {'state_dict': Calls(f'{file}.proof')}
    torch.save(content, file, _use_new_zipfile_serialization=False)


def plain_pickle(whole, file):
    file.write_bytes(pickle.dumps(Calls(f'{file}.proof')))


def whole_module(whole, file):
    torch.save(torch.nn.Linear(2, 2), file)


def torchscript(whole, file):
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), str(file))


def tar(whole, file, name='pickle'):
    with tarfile.open(file, 'w') as archive:
        for member in (name, 'storages', 'tensors'):
            data = pickle.dumps(Calls(f'{file}.proof'))
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def tar_that_begins_as_legacy(whole, file):
    tar(whole, file, (b'\x80\x02' + MAGIC + b'\x80\x02N.' * 3).decode('latin1'))


def many_records(whole, file):
    """A directory of 40 MB, of which Python makes 500,000 objects."""
    entry = b'PK\x01\x02' + bytes(24) + struct.pack('<HHHHHII', 8, 0, 0, 0, 0, 0, 0)
    directory = b''.join(entry + b'a%07d' % i for i in range(500_000))
    head = b'PK\x03\x04' + bytes(26)
    end = struct.pack('<4s4HIIH', b'PK\x05\x06', 0, 0, 65535, 65535, len(directory), len(head), 0)
    file.write_bytes(head + directory + end)


def large_directory(whole, file):
    """The same, said where archives above 4 GiB say it."""
    many_records(whole, file)
    data = file.read_bytes()
    directory = len(data) - 22 - 30
    record = struct.pack(
        '<4sQHHIIQQQQ', b'PK\x06\x06', 44, 45, 45, 0, 0, 500_000, 500_000, directory, 30
    )
    locator = struct.pack('<4sIQI', b'PK\x06\x07', 0, 30 + directory, 1)
    end = struct.pack('<4s4HIIH', b'PK\x05\x06', 0, 0, 1, 1, 46, 30, 0)
    file.write_bytes(data[:-22] + record + locator + end)


def sparse_file(whole, file, head=b'PK\x03\x04'):
    """A terabyte that takes no room on the disk."""
    file.write_bytes(head)
    os.truncate(file, TERA)


def sparse_safetensors(whole, file):
    header = {'a': {'dtype': 'U8', 'shape': [TERA], 'data_offsets': [0, TERA]}}
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack('<Q', len(text)) + text)
    os.truncate(file, TERA + 8 + len(text))


def zip_bomb(whole, file):
    rows = bytes(1 << 26)
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data.pkl', b'\x80\x02}.')
        for i in range(4):
            archive.writestr(f'archive/data/{i}', rows)


def safetensors(header, data=b'', length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return written(struct.pack('<Q', len(text) if length is None else length) + text + data)


def tensor(shape=(2,), offsets=(0, 8), dtype='F32'):
    return dict(dtype=dtype, shape=list(shape), data_offsets=list(offsets))


def varint(value):
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def repeated(content):
    """A counter of batches that repeats one number 2^38 times."""
    state = content['state_dict']
    name = next(name for name in state if name.endswith('num_batches_tracked'))
    state[name] = torch.zeros(1).expand(1 << 38)


def quantised(content):
    value = torch.quantize_per_tensor(torch.zeros(10), 1.0, 0, torch.qint8)
    content['state_dict']['head.fc.bias'] = value


def in_state(value, name='head.fc.bias'):
    return changed(lambda content: content['state_dict'].update({name: value}))


def in_meta(**values):
    return changed(lambda content: content['meta'].update(values))


def without_meta(content):
    content['meta'] = [1]


WEIRD = 'a\nb\x1b[2J\u202e'
FILES = {
    'empty': written(b''),
    'text': written(b'no weights\n'),
    'HTML': written(b'<!DOCTYPE html><html>404</html>'),
    'zeros': written(bytes(4096)),
    'calls by allowed names': calls,
    'calls': calls_of_pickle,
    'calls, legacy': calls_of_legacy,
    'calls, plain pickle': plain_pickle,
    'calls, tar': tar,
    'calls, tar and legacy': tar_that_begins_as_legacy,
    'a module': whole_module,
    'TorchScript': torchscript,
    'nested lists': spliced(h.shared(40)),
    'many levels': spliced(b']' * 10_000 + b'a' * 9_999),
    'zip bomb': zip_bomb,
    'many records': many_records,
    'large directory': large_directory,
    'sparse file': sparse_file,
    'sparse legacy file': lambda whole, file: sparse_file(whole, file, b'\x80\x02' + MAGIC),
    'legacy, large storage': lambda whole, file: file.write_bytes(
        legacy(torch.zeros(10_000)).replace(b'M\x10\x27', b'J\0\0\0\x40')
    ),
    'tensor larger than its storage': changed(repeated),
    'sparse tensor': in_state(torch.eye(10).to_sparse()),
    'quantised tensor': changed(quantised),
    'meta tensor': in_state(torch.zeros(10, device='meta')),
    'complex tensor': in_state(torch.zeros(10, dtype=torch.complex64)),
    'no tensor': in_state('x'),
    'name that moves the cursor': in_state(torch.zeros(1), WEIRD),
    'long name': in_state(torch.zeros(1), 'x' * 10**6),
    'no state dict': saved([1, 2]),
    'meta of another type': changed(without_meta),
    'preprocessing of another type': in_meta(preprocessing=[WEIRD]),
    'a mean that is no float': in_meta(preprocessing=dict(mean=[10**400], std=[1])),
    'a mean that is a tensor': in_meta(preprocessing=dict(mean=torch.zeros(2, 2), std=None)),
}
SAFETENSORS = {
    'header of 2^63 bytes': safetensors(b'{}', length=1 << 63),
    'header longer than the file': safetensors(b'{}', length=1 << 20),
    'header of 2^27 bytes': safetensors(b'{' + b' ' * 130_000_000 + b'}'),
    'header that is no JSON': safetensors(b'{"a":'),
    'header of many levels': safetensors(b'{"a":' + b'[' * 100_000),
    'offsets behind the end': safetensors({'a': tensor(offsets=(0, TERA))}, bytes(8)),
    'offsets from behind': safetensors({'a': tensor(offsets=(8, 0))}, bytes(8)),
    'tensors on one another': safetensors({'a': tensor(), 'b': tensor()}, bytes(8)),
    'shape that overflows': safetensors({'a': tensor((1 << 33, 1 << 33))}, bytes(8)),
    'shape below zero': safetensors({'a': tensor((-2,))}, bytes(8)),
    'dtype of none': safetensors({'a': tensor(dtype='F999')}, bytes(8)),
    'sparse file': sparse_safetensors,
    'name that moves the cursor': safetensors({WEIRD: tensor()}, bytes(8)),
}


def net(*fields):
    """A Caffe network of one layer with these fields."""
    layer = chunk(1, b'conv') + chunk(2, b'Convolution') + b''.join(fields)
    return written(chunk(1, b'net') + chunk(100, layer))


def chunk(number, data, length=None):
    return varint(number << 3 | 2) + varint(len(data) if length is None else length) + data


def blob(dims, data=bytes(8)):
    shape = chunk(7, chunk(1, b''.join(map(varint, dims))))
    return chunk(7, chunk(5, data) + shape)


CAFFEMODELS = {
    'empty': written(b''),
    'text': written(b'no weights\n'),
    'zeros': written(bytes(4096)),
    'integer without end': written(b'\xff' * 4096),
    'length of 2^63': written(varint(100 << 3 | 2) + varint(1 << 63)),
    'text of 2^31': net(chunk(1, b'a', 1 << 31)),
    'shape larger than its numbers': net(blob((1 << 31, 1 << 31))),
    'shape below zero': net(blob(((1 << 64) - 2, 1))),
    'shape of 0': net(blob((0, 1 << 60))),
    'many axes': net(blob((1,) * 100_000)),
    'many fields': written(b'\x08\x01' * 2_000_000),
    'many layers': written(chunk(100, b'') * 900_000),
    'layer in itself': net(chunk(7, chunk(7, chunk(7, b'')))),
    'name that moves the cursor': written(chunk(100, chunk(1, b'a\n\x1b[2J') + blob((2,)))),
    'sparse file': lambda whole, file: sparse_file(whole, file, chunk(1, b'net')),
}
IN_PLACE = b'layer{name:"a"type:"ReLU"bottom:"x"top:"x"}'
TWICE = b'layer{name:"a"type:"Concat"bottom:"x"bottom:"x"top:"x"}'


def prototxt(*layers, side=b'32', name=b'net'):
    """A definition of Caffe; its image is ``x``."""
    dims = b'dim: 1 dim: 3 dim: %s dim: %s' % (side, side)
    shape = b'name: "%s" input: "x" input_shape { %s }\n' % (name, dims)
    return written(shape + b'\n'.join(layers))


PROTOTXTS = {
    'empty': written(b''),
    'zeros': written(bytes(4096)),
    'no text': written(b'\xff\xfe\x00\xd8' * 100),
    'an image alone': prototxt(),
    'levels': written(b'layer {' * 100_000),
    'levels of lists': written(b'layer: ' + b'[' * 100_000),
    'a text without end': written(b'name: "' + b'a' * 900_000),
    'texts without end': written(b'name: ' + b'"\n' * 100_000),
    'escapes': written(b'name: "' + b'\\\\' * 400_000 + b'\\x"'),
    'many fields': written(b'a:b ' * 250_000),
    'many values': written(b'a: [' + b'b,' * 500_000 + b']'),
    'many layers': prototxt(*[IN_PLACE] * 20_000),
    'channels doubled 10,000 times': prototxt(*[TWICE] * 10_000),
    'too many bytes': written(b'# ' + b'a' * (2 << 20)),
    'a sparse file': lambda whole, file: sparse_file(whole, file, b'# '),
    'an image of 2^62 values': prototxt(IN_PLACE, side=b'2147483647'),
    'a long number': prototxt(IN_PLACE, side=b'9' * 400_000),
    'a number that is none': prototxt(IN_PLACE, side=b'nan'),
    'a name that moves the cursor': prototxt(
        b'layer{name:"a\\n\x1b[2J"type:"a\x1b[2J"bottom:"x"top:"x"}'
    ),
}
LEVELS = b'[' * 100_000
IMAGE = b'{"id": 1, "file_name": %s}'


def annotations(images=IMAGE % b'"a.png"', objects=b'{"id": 1}', categories=b'{"id": 1}'):
    return written(
        b'{"images": [%s], "annotations": [%s], "categories": [%s]}' % (images, objects, categories)
    )


TEXTS = {
    'empty': written(b''),
    'zeros': written(bytes(4096)),
    'no text': written(b'\xff\xfe\x00\xd8' * 100),
    'levels': written(LEVELS),
    'a long number': written(b'{"images": 1' + b'0' * 10**6 + b'}'),
    'a file outside': annotations(IMAGE % b'"../../a.png"'),
    'an absolute file': annotations(IMAGE % b'"/etc/passwd"'),
    'a name that moves the cursor': annotations(IMAGE % b'"a\\n\\u001b[2J"'),
    'a number that is none': annotations(objects=b'{"id": 1, "image_id": NaN}'),
    'an image twice': annotations(b', '.join([IMAGE % b'"a.png"'] * 2)),
    'a path outside': written(b'../../../../../../etc/passwd 0\n'),
    'a shard outside': written(b'../../../../../../etc/passwd 0 1 0 a.jpg\n'),
    'a shard of 10^18 bytes': written(b'a.tar 0 999999999999999999 0 a.jpg\n'),
}

TIMM = dict(
    architecture='resnet18',
    pretrained_cfg=dict(
        input_size=[3, 224, 224], crop_pct=0.875, crop_mode='center', interpolation='bicubic',
        mean=[0.5] * 3, std=[0.5] * 3,
    ),
)  # fmt: skip


def hub(**changes):
    """A ``config.json`` of timm's hub; a change of ``pretrained_cfg`` is under its name."""
    images = TIMM['pretrained_cfg']
    inner = {key: changes.pop(key) for key in list(changes) if key in images}
    return written(json.dumps({**TIMM, 'pretrained_cfg': images | inner, **changes}).encode())


HUB_CONFIGS = {
    **{key: TEXTS[key] for key in ('empty', 'zeros', 'no text', 'levels', 'a long number')},
    'a list': written(b'[]'),
    'of another package': written(b'{"model_type": "bert"}'),
    'no architecture': hub(architecture=None),
    'another architecture': hub(architecture='vit_tiny_patch16_224'),
    'an architecture that moves the cursor': hub(architecture='a\n\x1b[2J'),
    'an architecture of ours without our part': hub(architecture='senet_mm/x'),
    'a file as architecture': hub(architecture='../../etc/passwd'),
    'other arguments': hub(model_args=dict(block_args=dict(type='os.system'))),
    'arguments of another type': hub(model_args=5),
    'another pooling': hub(global_pool='max'),
    'many classes': hub(num_classes=10**12),
    'no classes': hub(num_classes=0),
    'classes of another type': hub(num_classes='10'),
    'many channels': hub(model_args=dict(in_chans=10**9)),
    'fewer names': hub(label_names=['a']),
    'names of another type': hub(label_names=[5] * 1000),
    'names as a dict with holes': hub(label_names={str(i): 'a' for i in range(1, 1001)}),
    'fields of another type': hub(pretrained_cfg=[]),
    'a huge image': hub(input_size=[3, 10**9, 10**9]),
    'no image': hub(input_size=[]),
    'a mean that is no number': hub(mean=['a', 'b', 'c']),
    'a mean that is infinite': hub(mean=[float('inf')] * 3),
    'a crop of nothing': hub(crop_pct=0),
    'a tiny crop': hub(crop_pct=1e-300),
    'a crop below zero': hub(crop_pct=-1),
    'an interpolation that moves the cursor': hub(interpolation='a\n\x1b[2J'),
    'another crop': hub(crop_mode='border'),
    'our part of another type': hub(architecture='senet_mm/x', senet_mm=[]),
    'our part with another mean': hub(senet_mm=dict(preprocessing=dict(mean=['a']))),
    'our part with another network': hub(senet_mm=dict(cfg="model = dict(type='os.system')")),
}


def legacy(content):
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def cut(sixteenth):
    def make(whole, file):
        data = whole.read_bytes()
        file.write_bytes(data[: len(data) * sixteenth // 16])

    return make


def flipped(sixteenth):
    def make(whole, file):
        data = bytearray(whole.read_bytes())
        data[(len(data) - 1) * sixteenth // 16] ^= 4
        file.write_bytes(data)

    return make


DAMAGED = {
    **{f'cut at {i}/16': cut(i) for i in range(16)},
    **{f'flipped at {i}/16': flipped(i) for i in range(16)},
}
