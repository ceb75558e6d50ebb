"""Files that ask for more than data: refused in one line wherever they come in, nothing is run."""

import contextlib
import pickle

import pytest
import torch

from senet_mm.engine import Runner, load_from_local
from senet_mm.engine.weights import pickle_outline

from . import hostile as h
from .test_runner import digits
from .ways import train


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """The checkpoint of an epoch on the digits."""
    work_dir = tmp_path_factory.mktemp('run')
    Runner.from_cfg(digits(work_dir, **{'train_cfg.max_epochs': 1})).train()
    return work_dir / 'epoch_1.pth'


# What a pickle may try with allowed names, by what it is after.
HOSTILE = {
    'builtins of a builtin': h.call(h.GETATTR, h.name(h.GETATTR), h.text('__self__')),
    'getattr of Python 2': h.call(
        '__builtin__.getattr', h.name('__builtin__.getattr'), h.text('__self__')
    ),
    'globals of a method': h.call(
        h.GETATTR, h.call(h.GETATTR, h.name(h.HISTORY), h.text('mean')), h.text('__globals__')
    ),
    'another attribute of HistoryBuffer': h.call(h.GETATTR, h.name(h.HISTORY), h.text('update')),
    'a private attribute': h.call(h.GETATTR, h.name(h.HISTORY), h.text('__init__')),
    'an attribute of torch': h.call(h.GETATTR, h.name('torch.Tensor'), h.text('apply_')),
    'three arguments': h.call(h.GETATTR, h.name(h.HISTORY), h.text('x'), h.name('torch.Tensor')),
    'HistoryBuffer called': h.call(h.HISTORY, h.text('abc'), h.text('abc')),
    'HistoryBuffer of anything': h.build(h.new(h.HISTORY), h.mapping(_log_history=h.text('x'))),
    'HistoryBuffer without state': h.new(h.HISTORY),
    'an array without state': h.ARRAY,
    'an array of objects': h.build(
        h.ARRAY, h.sequence(h.number(1), h.sequence(h.number(1)), h.dtype('O8'), h.FALSE, b']')
    ),
    'an array of records': h.dtype('V8'),
    'a type with fields': h.dtype('f8', h.sequence(*[h.number(3)] * 3, h.text('a'), h.mapping())),
    'the size of a large array': h.call('numpy.ndarray', h.sequence(h.number(2**31 - 1))),
    'a scalar of objects': h.call(
        'numpy._core.multiarray.scalar', h.dtype('O8'), h.name(h.GETATTR)
    ),
    'a function as a value': h.name('torch._utils._rebuild_tensor_v2'),
    'a class as a value': h.name('collections.OrderedDict'),
    'methods of a dict': h.build(h.call('collections.OrderedDict'), h.mapping(items=h.NONE)),
    'a slow codec': h.call('_codecs.encode', h.text('x'), h.text('punycode')),
    'a call by torch': h.call(
        'torch._tensor._rebuild_from_type_v2', *[h.name('torch.Tensor')] * 2, b')', h.NONE
    ),
    'a quantised tensor': h.call('torch._utils._rebuild_qtensor', h.NONE),
    'a nested tensor': h.call('torch._utils._rebuild_nested_tensor', h.NONE),
    'a wrapper of tensors': h.call('torch._utils._rebuild_wrapper_subclass', h.NONE),
    'bytes of any number': h.call('builtins.bytearray', h.number(2**31 - 1)),
    'zeros of any number': h.call('builtins.bytes', h.number(2**31 - 1)),
    'a module': h.call('os.system', h.text('true')),
    'a name from the stack': h.text('os') + h.text('system') + b'\x93',
    'a name by its number': b'\x82\x01',
    'instances as of old': b'(ios\nsystem\n',
    'a value taken back': h.text('x') + h.text('y') + b'0',
    'a storage of another size': h.sequence(
        *(h.text('storage'), h.name('torch.FloatStorage'), h.text('0'), h.text('cpu')),
        h.number(10**6),
    )
    + b'Q',
    'a persistent value': h.sequence(h.text('module'), h.text('os')) + b'Q',
}


@pytest.mark.parametrize('case', HOSTILE)
def test_allowed_names_do_nothing_else(whole, tmp_path, case):
    file = h.splice(whole, tmp_path / 'hostile.pth', HOSTILE[case])
    with pytest.raises(ValueError, match=r'hostile.pth is (refused|damaged)') as raised:
        load_from_local(str(file))
    assert '\n' not in str(raised.value)


def test_global_state_stays_as_it_is(whole, tmp_path):
    """A HistoryBuffer of a file would put its functions into the class, for all buffers."""
    from mmengine.logging import HistoryBuffer

    before = dict(HistoryBuffer._statistics_methods)
    marked = set(torch.serialization.get_safe_globals())
    methods = h.mapping(mean=h.call(h.GETATTR, h.name(h.HISTORY), h.text('max')))
    numbers = h.build(
        h.ARRAY,
        h.sequence(
            h.number(1), h.sequence(h.number(1)), h.dtype('f8'), h.FALSE, h.bytes_of('\0' * 8)
        ),
    )
    state = h.mapping(
        max_length=h.number(9),
        _log_history=numbers,
        _count_history=numbers,
        statistics_methods=methods,
        update=h.text('not a method'),
    )
    file = h.splice(whole, tmp_path / 'a.pth', h.build(h.new(h.HISTORY), state))
    history = load_from_local(str(file))['extra']
    assert HistoryBuffer._statistics_methods == before
    assert set(torch.serialization.get_safe_globals()) == marked
    assert vars(history).keys() == vars(HistoryBuffer([0.0], [1])).keys()
    history.update(3.0)
    assert history.data[0].tolist() == [0.0, 3.0]


def test_what_others_marked_as_safe_is_not_called(whole, tmp_path):
    """``add_safe_globals`` of other packages is for the whole process."""
    proof = tmp_path / 'proof'
    code = f"open('{proof}', 'w')"
    with torch.serialization.safe_globals([getattr, eval, exec]):
        for value in (h.execute(code), h.call('builtins.eval', h.text(code))):
            with pytest.raises(ValueError, match='is refused'):
                load_from_local(str(h.splice(whole, tmp_path / 'a.pth', value)))
    assert not proof.exists()


def test_the_same_file_executes_elsewhere(whole, tmp_path):
    """What `test_files_of_strangers` refuses is no harmless file: mmengine's own loader runs it."""
    from mmengine.runner.checkpoint import _safe_torch_load

    proof = tmp_path / 'proof'
    file = h.splice(whole, tmp_path / 'hostile.pth', h.execute(f"open('{proof}', 'w')"))
    with contextlib.suppress(Exception):
        _safe_torch_load(str(file))
    assert proof.exists()


def test_config_in_a_checkpoint_is_not_executed(whole, tmp_path):
    """mmengine executes ``meta.config`` when a run is resumed."""
    content, proof = load_from_local(str(whole)), tmp_path / 'proof'
    code = f"open('{proof}', 'w')"
    content['meta'].update(config=code, cfg=code)
    torch.save(content, tmp_path / 'a.pth')
    train(tmp_path / 'a.pth', tmp_path, resume=True, **{'train_cfg.max_epochs': 2})
    assert (tmp_path / 'out/epoch_2.pth').exists()
    assert not proof.exists()


def tuples(below):
    return below + below + b'\x86'


BOMBS = {
    'shared lists': h.shared(40),
    'shared tuples, as a key': b'}' + h.shared(40, tuples) + h.NONE + b's',
    'shared dicts': h.shared(
        40, lambda below: b'}' + h.text('a') + below + b's' + h.text('b') + below + b's'
    ),
    'links from the top down': h.sequence(
        *[b']q' + bytes([i]) for i in range(40)],
        *[b'h' + bytes([i]) + (b'h' + bytes([i + 1]) + b'a') * 2 for i in reversed(range(39))],
    ),
    'a list in itself': b']q\x00h\x00a',
    'long texts': h.sequence(h.text('x' * 10**6) + b'q\x00', *[b'h\x00'] * 200),
    'many levels': b']' * 10_000 + b'a' * 9_999,
}


@pytest.mark.parametrize('case', BOMBS)
def test_bombs_are_refused_before_they_are_built(whole, tmp_path, case):
    """Each takes hours or all memory to print, copy or hash."""
    file = h.splice(whole, tmp_path / 'bomb.pth', BOMBS[case])
    with pytest.raises(ValueError, match=r'bomb.pth is refused: its (data|texts) (unfold|take) '):
        load_from_local(str(file))


def test_a_pickle_of_too_many_steps(whole, tmp_path, monkeypatch):
    """A byte of a pickle may be an object of 50 bytes or more."""
    file = h.splice(whole, tmp_path / 'bomb.pth', b'(' + b']' * 10_000 + b't')
    assert len(load_from_local(str(file))['extra']) == 10_000
    monkeypatch.setattr(pickle_outline, 'MAX_STEPS', 10_000)
    with pytest.raises(ValueError, match=r'is refused: its data take more than 10,000 steps to bu'):
        load_from_local(str(file))


def test_plain_pickles_are_no_checkpoints(tmp_path):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        file = tmp_path / f'{protocol}.pth'
        file.write_bytes(pickle.dumps({'state_dict': {}}, protocol))
        with pytest.raises(ValueError, match=r'pth is (refused|damaged)'):
            load_from_local(str(file))
