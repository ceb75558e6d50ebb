import os
import pickle
from collections import Counter, OrderedDict

import numpy as np
import pytest
import safetensors.torch
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import load_checkpoint
from torch import nn

from senet_mm.engine import load_from_local, load_strictly
from senet_mm.utils.errors import InputError
from senet_mm.utils.files import EXPORTED

from ..hostile import rewrite


@pytest.mark.parametrize('suffix', [*EXPORTED, '.PT2'])
def test_an_exported_network_is_no_checkpoint(tmp_path, suffix):
    """Whatever is in it, also where its name has the hash of another file."""
    file = tmp_path / f'folded-01234567{suffix}'
    torch.save({'state_dict': {}}, file)
    with pytest.raises(InputError) as raised:
        load_from_local(file)
    assert str(raised.value) == (
        f'checkpoint {file} is an exported network; allowed: a checkpoint; '
        'tools/predict.py takes exported networks'
    )


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def save_hostile(tmp_path, save):
    file, proof = tmp_path / 'hostile.pth', tmp_path / 'proof'
    save({'state_dict': Hostile(f'touch {proof}')}, file)
    return file, proof


def save_pickle(content, file):
    file.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize('save', [torch.save, save_pickle])
def test_hostile_file_is_refused_and_not_run(tmp_path, save):
    file, proof = save_hostile(tmp_path, save)
    with pytest.raises(ValueError, match=r'hostile.pth is refused: .*; allowed: tensors and plain'):
        load_from_local(str(file))
    assert not proof.exists()


def test_init_cfg_goes_the_same_way(tmp_path):
    """``init_cfg=dict(type='Pretrained')`` loads by mmengine's function."""
    file, proof = save_hostile(tmp_path, torch.save)
    with pytest.raises(ValueError, match='is refused'):
        load_checkpoint(nn.Linear(1, 1), str(file))
    assert not proof.exists()


@pytest.mark.parametrize('content', [b'', b'<html>404</html>', b'PK\x03\x04' + bytes(100)])
def test_damaged_file(tmp_path, content):
    file = tmp_path / 'damaged.pth'
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r'damaged.pth is (refused|damaged)'):
        load_from_local(str(file))


def test_truncated_file(tmp_path):
    file = tmp_path / 'truncated.pth'
    torch.save(nn.Linear(100, 100).state_dict(), file)
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r'truncated.pth is damaged or no checkpoint'):
        load_from_local(str(file))


def test_missing_file():
    with pytest.raises(FileNotFoundError, match=r'checkpoint nowhere.pth does not exist'):
        load_from_local('nowhere.pth')


@pytest.mark.parametrize('wrap', [lambda s: s, lambda s: {'state_dict': s, 'meta': {}}])
@pytest.mark.parametrize(
    'prefix', ['', 'module.', '_orig_mod.', 'module._orig_mod.', '_orig_mod.module.']
)
def test_fitting_checkpoint(wrap, prefix):
    a, b = nn.Linear(2, 3), nn.Linear(2, 3)
    load_strictly(b, wrap({prefix + k: v for k, v in a.state_dict().items()}), 'a.pth')
    assert torch.equal(a.weight, b.weight)


class Named(nn.Module):
    """Names that are no wrappers of the whole."""

    def __init__(self):
        super().__init__()
        self.body = nn.ModuleDict({'module': nn.Linear(2, 3), 'my_orig_mod': nn.Linear(2, 3)})


def test_names_of_compiled_parts():
    """``torch.compile`` of a part adds to the middle of its names; a network's own names stay."""
    a, b = Named(), Named()
    expected = {name: value.clone() for name, value in a.state_dict().items()}
    a.body['module'] = torch.compile(a.body['module'])
    compiled = torch.compile(a)
    assert '_orig_mod.body.module._orig_mod.weight' in compiled.state_dict()
    load_strictly(b, compiled.state_dict(), 'a.pth')
    assert all(torch.equal(value, expected[name]) for name, value in b.state_dict().items())


def test_a_tensor_twice():
    state = nn.Linear(2, 3).state_dict()
    state.update({f'_orig_mod.{name}': value for name, value in list(state.items())})
    with pytest.raises(ValueError, match=r'holds a tensor twice, with and without module. or _or'):
        load_strictly(nn.Linear(2, 3), state, 'a.pth')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda s: s.pop('bias'), r'1 missing \(bias\)$'),
        (lambda s: s.update(extra=s['bias']), r'1 unexpected \(extra\)$'),
        (
            lambda s: s.update(bias=torch.zeros(4)),
            r'1 of another shape \(bias \(4,\) for \(3,\)\)$',
        ),
        (
            lambda s: s.update(
                bias=torch.ones(3, dtype=torch.int64), weight=torch.ones(3, 2).cfloat()
            ),
            r'2 of another type \(bias integer for float, weight complex64 for float\)$',
        ),
        (
            lambda s: s.update(bias=torch.ones(3) > 0),
            r'1 of another type \(bias bool for float\)$',
        ),
        (
            lambda s: s.update(bias=torch.ones(3).to(torch.float8_e5m2)),
            r'1 of another type \(bias float8_e5m2 for float\)$',
        ),
        (
            lambda s: s.update(bias=s['bias'].to_sparse(), weight=s['weight'].to('meta')),
            r'2 not dense \(bias sparse_coo, weight on the meta device\)$',
        ),
        (lambda s: s.update(bias=s['bias'].numpy()), r'1 no tensors \(bias\)$'),
        (
            lambda s: [s.update({f'x{i}': s['bias']}) for i in range(5)],
            r'5 unexp.*x0, x1, x2, \.\.\.',
        ),
    ],
)
def test_unfitting_checkpoint_changes_nothing(change, message):
    model, state = nn.Linear(2, 3), nn.Linear(2, 3).state_dict()
    before = model.weight.clone()
    change(state)
    with pytest.raises(ValueError, match='checkpoint a.pth does not fit the model.*: ' + message):
        load_strictly(model, state, 'a.pth')
    assert torch.equal(model.weight, before)


class Classifier(nn.Module):
    """The least that has a head."""

    def __init__(self, num_classes, width=2):
        super().__init__()
        self.backbone, self.head = nn.Linear(2, width), nn.Linear(width, num_classes)


def test_new_head(logged):
    source, model = Classifier(3), Classifier(5)
    head = model.head.weight.clone()
    load_strictly(model, source.state_dict(), 'a.pth', new_head=True)
    assert torch.equal(model.backbone.weight, source.backbone.weight)
    assert torch.equal(model.head.weight, head)
    assert logged.messages == [
        'checkpoint a.pth has a head of 3 classes; the head of 5 classes is newly initialised '
        '(head.weight, head.bias)'
    ]


def test_new_head_is_for_the_class_count_only():
    """A head of another width, a missing head or another backbone stay errors."""
    for source in (Classifier(3, width=4), Classifier(5, width=4), nn.Linear(2, 2)):
        with pytest.raises(ValueError, match='does not fit'):
            load_strictly(Classifier(5), source.state_dict(), 'a.pth', new_head=True)
    state = Classifier(3).state_dict()
    del state['head.bias']
    with pytest.raises(ValueError, match=r'1 missing \(head.bias\)$'):
        load_strictly(Classifier(5), state, 'a.pth', new_head=True)
    with pytest.raises(ValueError, match='2 of another shape'):
        load_strictly(Classifier(5), Classifier(3).state_dict(), 'a.pth')


@pytest.mark.parametrize('content', [[1], torch.zeros(1), {'state_dict': None}])
def test_no_state_dict(content):
    with pytest.raises(ValueError, match=r'checkpoint a.pth holds no tensors by name$'):
        load_strictly(nn.Linear(2, 3), content, 'a.pth')


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_floats_of_another_width_are_converted(dtype):
    a, b = nn.Linear(2, 3), nn.Linear(2, 3)
    load_strictly(b, {name: value.to(dtype) for name, value in a.state_dict().items()}, 'a.pth')
    assert b.weight.dtype == torch.float32
    assert torch.equal(b.weight, a.weight.to(dtype).float())


def test_counters_are_whole_numbers_of_any_type():
    a, b = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    a.num_batches_tracked.fill_(7)
    state = a.state_dict()
    for dtype in (torch.int32, torch.uint8, torch.float16):
        b.num_batches_tracked.zero_()
        load_strictly(b, {**state, 'num_batches_tracked': torch.tensor(7, dtype=dtype)}, 'a.pth')
        assert b.num_batches_tracked == 7
    for value in (7.5, torch.inf, torch.nan):
        with pytest.raises(ValueError, match=r'\(num_batches_tracked float for integer\)$'):
            load_strictly(b, {**state, 'num_batches_tracked': torch.tensor(value)}, 'a.pth')


def test_weights_that_are_not_finite_are_said(logged):
    state = Classifier(3).state_dict()
    load_strictly(Classifier(3), state, 'a.pth')
    assert logged.messages == []
    state['head.bias'][1] = torch.nan
    state['backbone.weight'][0] = -torch.inf
    load_strictly(Classifier(3), state, 'a.pth')
    assert logged.messages == [
        'checkpoint a.pth: 2 tensors with values that are not finite (backbone.weight, head.bias)'
    ]
    assert logged.records[0].levelname == 'WARNING'


def on_meta(tensor):
    return tensor.to('meta')


@pytest.mark.parametrize(
    ('make', 'kind'),
    [
        (torch.Tensor.to_sparse, 'a sparse tensor'),
        (on_meta, 'a tensor on the meta device, without values'),
    ],
)
def test_other_tensors_in_a_file(tmp_path, make, kind):
    torch.save({'state_dict': {'weight': make(torch.ones(3))}}, tmp_path / 'odd.pth')
    with pytest.raises(ValueError, match=f'odd.pth is refused: it holds {kind}; allowed: tensors'):
        load_from_local(str(tmp_path / 'odd.pth'))


@pytest.mark.parametrize(('meta', 'kind'), [([1], 'list'), ('text', 'str'), (3, 'int')])
def test_meta_of_another_type(tmp_path, meta, kind):
    torch.save({'state_dict': {}, 'meta': meta}, tmp_path / 'odd.pth')
    with pytest.raises(ValueError, match=f'has a meta of type {kind}; allowed: a dict$'):
        load_from_local(str(tmp_path / 'odd.pth'))


def test_whatever_data_come_back_as_they_were(tmp_path):
    """All kinds of plain data, by the formats of today and before torch 1.6."""
    content = {
        'numbers': [1, 2.5, True, None, 2**70, (1, (2,)), {3, 4}, b'bytes', 'text'],
        'counts': Counter(a=2),
        'dict': OrderedDict([(1, 'one'), ('two', {'three': 3})]),
        'arrays': [
            np.arange(6.0).reshape(2, 3),
            np.asfortranarray(np.arange(6, dtype='>i2').reshape(2, 3)),
            np.array(['a', 'bc']),
            np.array(3 + 4j),
            np.array([True, False]),
            np.zeros(0),
        ],
        'scalars': [np.float64(0.1), np.int32(-5), np.bool_(True)],
        'torch': [torch.float16, torch.Size([1, 2]), torch.device('cpu')],
        'history': HistoryBuffer([0.5, 1.5], [1, 2], 5),
    }
    tensors = dict(
        bfloat16=torch.ones(2).bfloat16(),
        uint16=torch.ones(2).to(torch.uint16),
        view=torch.arange(6.0)[::2],
        transposed=torch.arange(6.0).reshape(2, 3).t(),
        empty=torch.zeros(0),
        parameter=nn.Parameter(torch.ones(1)),
    )
    for new in (True, False):
        file = tmp_path / f'{new}.pth'
        if not new:
            del tensors['uint16']  # torch itself does not read it
        torch.save({**content, 'tensors': tensors}, file, _use_new_zipfile_serialization=new)
        loaded = load_from_local(str(file))
        for name, value in loaded.pop('tensors').items():
            assert torch.equal(value, tensors[name])
            assert type(value) is type(tensors[name])
        history = loaded.pop('history')
        assert [values.tolist() for values in history.data] == [[0.5, 1.5], [1, 2]]
        assert history.max_length == 5
        for read, given in zip(loaded.pop('arrays'), content['arrays'], strict=True):
            assert type(read) is np.ndarray
            assert (read.dtype, read.flags.f_contiguous) == (given.dtype, given.flags.f_contiguous)
            assert np.array_equal(read, given)
        assert [type(value) for value in loaded['scalars']] == [np.float64, np.int32, np.bool_]
        assert loaded == {name: content[name] for name in loaded}
        assert len(loaded) == 5


def test_names_of_numpy_1(tmp_path):
    """It had its functions in ``numpy.core``."""
    torch.save({'history': HistoryBuffer([0.5], [1]), 'scalar': np.float32(2)}, tmp_path / 'a.pth')

    def rename(_, data):
        assert data.count(b'numpy._core.multiarray') in (0, 2)
        return data.replace(b'numpy._core.multiarray', b'numpy.core.multiarray')

    content = load_from_local(str(rewrite(tmp_path / 'a.pth', tmp_path / 'b.pth', rename)))
    assert b'numpy.core.' in (tmp_path / 'b.pth').read_bytes()
    assert content['history'].mean() == 0.5
    assert content['scalar'] == 2


def test_versions_of_modules_are_kept(tmp_path):
    torch.save(nn.BatchNorm1d(2).state_dict(), tmp_path / 'a.pth')
    assert load_from_local(str(tmp_path / 'a.pth'))._metadata[''] == {'version': 2}


def test_safetensors(tmp_path):
    state = nn.Linear(2, 3).state_dict()
    safetensors.torch.save_file(state, tmp_path / 'a.safetensors')
    loaded = load_from_local(str(tmp_path / 'a.safetensors'))
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    (tmp_path / 'b.safetensors').write_bytes((tmp_path / 'a.safetensors').read_bytes()[:-3])
    with pytest.raises(ValueError, match=r'b.safetensors is damaged or no checkpoint'):
        load_from_local(str(tmp_path / 'b.safetensors'))


@pytest.mark.parametrize('name', ['x.pth', 'x.safetensors'])
@pytest.mark.parametrize(('make', 'kind'), [(os.mkdir, 'a folder'), (os.mkfifo, 'a fifo')])
def test_no_file(tmp_path, make, kind, name):
    make(tmp_path / name)
    with pytest.raises(ValueError, match=f'{name} is {kind}; allowed: a regular file$'):
        load_from_local(str(tmp_path / name))
