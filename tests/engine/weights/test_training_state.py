"""Resuming from a checkpoint whose state does not fit: one line, and nothing is changed."""

import copy
import pickle

import pytest
import torch
from mmengine.logging import HistoryBuffer

from senet_mm.engine import Runner, load_from_local
from senet_mm.engine.weights.kinds import is_of_kind

from ..test_runner import digits

HOOKS = [
    dict(type='EMAHook', momentum=0.1),
    dict(type='EarlyStoppingHook', monitor='accuracy/top1'),
]


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """The checkpoint of an epoch on the digits with averaged weights, and its runner."""
    work_dir = tmp_path_factory.mktemp('run')
    runner = Runner.from_cfg(digits(work_dir, **{'train_cfg.max_epochs': 1, 'custom_hooks': HOOKS}))
    runner.train()
    return work_dir / 'epoch_1.pth', runner


def resume(file, work_dir, epochs=2):
    options = {'load_from': str(file), 'resume': True, 'custom_hooks': HOOKS}
    return Runner.from_cfg(digits(work_dir, **options, **{'train_cfg.max_epochs': epochs}))


def histories(runner):
    return {
        name: [values.tolist() for values in history.data]
        for name, history in runner.message_hub.log_scalars.items()
        if runner.message_hub._resumed_keys.get(name)
    }


def test_histories_are_restored(whole, tmp_path):
    """Of an old checkpoint, with mmengine's buffers in it, and of one that was resumed."""
    file, before = whole
    runner = resume(file, tmp_path, epochs=1)
    runner.train()
    assert histories(runner) == histories(before)
    assert len(histories(before)['train/loss'][0]) == 19
    buffer = runner.message_hub.get_scalar('train/loss')
    assert type(buffer) is HistoryBuffer
    assert buffer.mean() == before.message_hub.get_scalar('train/loss').mean()

    runner = resume(file, tmp_path, epochs=2)
    runner.train()
    again = resume(tmp_path / 'epoch_2.pth', tmp_path, epochs=2)
    again.train()
    assert histories(again) == histories(runner)
    assert len(histories(again)['train/loss'][0]) == 38


def set_in(content, place, value):
    *folders, last = place
    for key in folders:
        content = content[key]
    if value is None:
        del content[last]
    else:
        content[last] = value


INFO, GROUP = ('message_hub', 'runtime_info'), ('optimizer', 'param_groups', 0)
STOPPING = dict(best_score=1.0, wait_count='x', stopped=False)
MOMENTUM = ('optimizer', 'state', 0, 'momentum_buffer')
# Place in the checkpoint, value put there (None: removed), message.
LEFT_OUT = dict(count=1, in_row=1, rolled_back_to='')
CHANGES = [
    (('meta',), None, 'has no meta.epoch, meta.iter'),
    (('meta',), {}, 'has no meta.epoch, meta.iter'),
    (('meta',), [1], 'has a meta of type list'),
    (('meta', 'epoch'), 'one', 'has meta.epoch of type str'),
    (('meta', 'iter'), 1.5, 'has meta.iter of type float'),
    (('meta', 'iter'), True, 'has meta.iter of type bool'),
    (('message_hub',), None, 'has no message_hub.log_scalars'),
    (('message_hub',), 'none', 'has no message_hub.log_scalars'),
    (('message_hub', 'runtime_info'), [], 'has message_hub.runtime_info of type list'),
    (('message_hub', 'log_scalars', 'train/loss'), [1.0], 'log_scalars.train/loss is no history'),
    (('param_schedulers',), {}, 'has param_schedulers that are no list of dicts'),
    (('param_schedulers',), [[]], 'has param_schedulers that are no list of dicts'),
    (('optimizer',), None, 'has no optimizer'),
    (('optimizer',), [1], 'has optimizer of type list'),
    (('optimizer', 'state'), [1], 'has an optimizer without param_groups and state'),
    (('optimizer', 'param_groups'), None, 'has an optimizer without param_groups and state'),
    (('optimizer', 'param_groups', 0, 'params'), [0, 1], 'has 1 groups of 2 parameters in its'),
    (('optimizer', 'param_groups'), [], 'has 0 groups of 0 parameters in its'),
    (('optimizer', 'state', 0), [1], 'has an optimizer with a state of type list'),
    (MOMENTUM, torch.zeros(16, 3, 3, 3), r'has momentum_buffer \(16, 3, 3, 3\) for parameter 0 \('),
    (MOMENTUM, torch.zeros(3, 3, 1, 16), r'has momentum_buffer \(3, 3, 1, 16\) for parameter 0'),
    (('ema_state_dict', 'steps'), torch.ones(3), r'ema_state_dict .* shape \(steps \(3,\) for \('),
    (('ema_state_dict', 'other'), torch.ones(3), r'ema_state_dict .* 1 unexpected \(other\)'),
    (('ema_state_dict', 'steps'), 'x', r'ema_state_dict .* .steps str for integer'),
    (('ema_state_dict',), 'x', 'has an ema_state_dict that is no dict'),
    (('ema_state_dict', 'module.head.fc.bias'), None, r'ema.*1 missing \(head.fc.bias\)$'),
    (('ema_state_dict', 'module.head.fc.bias'), torch.ones(3), 'ema.*1 of another shape'),
    (('state_dict', 'head.fc.bias'), torch.ones(10).int(), 'bias integer for float'),
    (('meta', 'iter'), -1, 'has meta.iter=-1'),
    (('meta', 'epoch'), 10**30, r'has meta.epoch=10{30}'),
    (('message_hub', 'resumed_keys', 'train/loss'), 'x', "resumed_keys.train/loss='x'"),
    ((*INFO, 'best_score'), 'x', "has message_hub.runtime_info.best_score='x'"),
    ((*INFO, 'last_validated_at'), torch.ones(3), 'has message_hub.runtime_info.last_validated_'),
    ((*INFO, 'keep_ckpt_ids'), ['../1'], r"has message_hub.runtime_info.keep_ckpt_ids=\['../1"),
    ((*INFO, 'best_ckpt'), '/home/config.py', "has message_hub.runtime_info.best_ckpt='/home/co"),
    ((*INFO, 'saved_checkpoint'), ('e.pth', ['../a.pth']), 'has message_hub.runtime_info.saved_'),
    ((*INFO, 'saved_checkpoint'), ('e.pth', ['/tmp/a.pth']), 'has message_hub.runtime_info.save'),
    ((*INFO, 'saved_checkpoint'), ('e.pth', ['train.log']), 'has message_hub.runtime_info.saved'),
    ((*INFO, 'saved_checkpoint'), 'e.pth', 'has message_hub.runtime_info.saved_checkpoint='),
    ((*INFO, 'scalars_so_far'), ('../../etc', 'x', [1, 1]), 'has message_hub.runtime_info.scala'),
    ((*INFO, 'scalars_so_far'), ('/etc', 'x', [1, 1]), 'has message_hub.runtime_info.scalars_so'),
    ((*INFO, 'scalars_so_far'), ('a', '../x', [1, 1]), 'has message_hub.runtime_info.scalars_so'),
    ((*INFO, 'scalars_so_far'), ('a', 'x', [1.5, 1]), 'has message_hub.runtime_info.scalars_so'),
    (('param_schedulers', 0, 'step'), 1, 'has param_schedulers with step of type int'),
    (
        ('param_schedulers', 0, 'eta_min'),
        torch.ones(3),
        'has param_schedulers with eta_min of type',
    ),
    (('param_schedulers', 0, 'last_step'), 'x', "has param_schedulers with last_step='x'"),
    (('param_schedulers', 0, 'base_values'), [1.0] * 9, 'has param_schedulers with base_values='),
    ((*GROUP, 'lr'), 'x', "has lr='x' in group 0 of its optimizer"),
    ((*GROUP, 'lr'), None, 'has no lr in group 0 of its optimizer'),
    ((*GROUP, 'params', 0), [1], 'has an optimizer without param_groups and state'),
    ((*GROUP, 'params', 0), 1, 'has an optimizer whose states are not one for each parameter'),
    (('optimizer', 'state', 999), {}, 'has an optimizer whose states are not one for each'),
    (MOMENTUM, 1.0, 'has momentum_buffer of type float for parameter 0'),
    (MOMENTUM, {}, 'has momentum_buffer of type dict for parameter 0'),
    (MOMENTUM, torch.zeros(()), r'has momentum_buffer \(\) for parameter 0'),
    (MOMENTUM, torch.zeros(16, 1, 3, 3, dtype=torch.complex64), 'has momentum_buffer of type comp'),
    (('hooks',), [1], 'has hooks of type list'),
    (('hooks',), {'EarlyStoppingHook': 1}, 'has a state of EarlyStoppingHook of type int'),
    (('hooks',), {'EarlyStoppingHook': {}}, 'has a state of EarlyStoppingHook without best_score'),
    (
        ('hooks',),
        {'EarlyStoppingHook': STOPPING},
        "a state of EarlyStoppingHook with wait_count='x",
    ),
    *[
        (('hooks',), {'NonFiniteHook': {**LEFT_OUT, 'begun': begun}}, f'has {said}')
        for begun, said in [
            ({}, 'begun steps of type dict'),
            (['x'], 'a begun step without batches and buffers'),
            ([{'batches': []}], 'a begun step without batches and buffers'),
            ([dict(batches=[1], buffers=[])], 'a begun step whose batches are no indices'),
            ([dict(batches=[([0.5], [1.0])], buffers=[])], 'a begun step whose batches are no'),
            ([dict(batches=[(None, ['x'])], buffers=[])], 'a begun step whose batches are no'),
            ([dict(batches=[], buffers={})], 'a begun step whose buffers are no list'),
            ([dict(batches=[], buffers=[])], r'buffers of a begun step .*: \d+ missing'),
            ([{}, dict(batches=[], buffers=[torch.ones(3)])], 'buffers of a begun step .* missing'),
        ]
    ],
    (('gradients',), [1], 'has gradients of type list'),
    (('gradients',), {'a': torch.ones(1)}, 'has gradients that do not fit the model: 1 unexpected'),
    (('gradients',), {'head.fc.bias': torch.ones(3)}, 'gradients that .* another shape'),
    (('gradients',), {'head.fc.bias': torch.ones(10).to_sparse()}, 'it holds a sparse tensor'),
    (('rank_buffers',), {'a': 1}, 'has rank_buffers of type dict'),
    (('rank_buffers',), [[]], 'has rank_buffers of type list'),
    (('rank_buffers',), [{'backbone.bn1.running_mean': torch.ones(3)}], 'rank_buffers .* shape'),
]


@pytest.fixture(scope='module')
def resumed(whole, tmp_path_factory):
    """A runner that was resumed where its training ends."""
    runner = resume(whole[0], tmp_path_factory.mktemp('resumed'), epochs=1)
    runner.train()
    return runner


def snapshot(runner):
    """All that resuming fills, as bytes."""
    [averaging] = [hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook']
    return pickle.dumps(
        dict(
            model=runner.model.state_dict(),
            averaged=averaging.ema_model.state_dict(),
            optimizer=runner.optim_wrapper.state_dict(),
            schedules=[scheduler.state_dict() for scheduler in runner.param_schedulers],
            place=(runner.epoch, runner.iter),
            histories=histories(runner),
        )
    )


@pytest.mark.parametrize(('place', 'value', 'said'), CHANGES)
def test_what_does_not_fit_changes_nothing(whole, resumed, tmp_path, place, value, said):
    content = load_from_local(str(whole[0]))
    for tensor in (content['state_dict'], content['ema_state_dict']):
        tensor['module.head.fc.bias' if 'steps' in tensor else 'head.fc.bias'] += 1
    content['meta']['epoch'] = 5
    set_in(content, place, value)
    torch.save(content, tmp_path / 'odd.pth')
    before = snapshot(resumed)
    with pytest.raises(ValueError, match=rf'checkpoint {tmp_path}/odd.pth.* .*' + said) as raised:
        resumed.resume(str(tmp_path / 'odd.pth'))
    assert '\n' not in str(raised.value)
    assert snapshot(resumed) == before


@pytest.mark.parametrize(
    ('value', 'own', 'fits'),
    [
        ([['a', 'b'], []], [[]], True),  # images that each process found damaged; of a new run none
        ([5], [[]], False),
        (5, [[]], False),
        ('epoch_1.pth', None, True),
        (2, 0.0, True),
        ('x', 0.0, False),
        ({'a': 1}, {}, True),
        ([], {}, False),
    ],
)
def test_states_of_hooks_grow(value, own, fits):
    assert is_of_kind(value, own) == fits


def test_a_state_may_lack_axes(whole, tmp_path):
    """As Adafactor's sums and Adam's counters do."""
    content = copy.deepcopy(load_from_local(str(whole[0])))
    state = content['optimizer']['state'][0]
    shape = state['momentum_buffer'].shape
    state.update(step=torch.tensor(3.0), row=torch.zeros(shape[:-1]), column=torch.zeros(1))
    torch.save(content, tmp_path / 'more.pth')
    runner = resume(tmp_path / 'more.pth', tmp_path, epochs=1)
    runner.train()
    parameter = runner.optim_wrapper.optimizer.param_groups[0]['params'][0]
    assert runner.optim_wrapper.optimizer.state[parameter].keys() >= {'step', 'row', 'column'}


def test_averaged_weights_need_their_hook(whole, tmp_path):
    """The file has the averaged weights in the place of the trained ones."""
    runner = Runner.from_cfg(digits(tmp_path, load_from=str(whole[0]), resume=True))
    with pytest.raises(ValueError, match=r'allowed: to resume with EMAHook among'):
        runner.train()
