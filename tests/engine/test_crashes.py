"""A run can be killed at any instant and ends as if it had not been; kills.py has more kills."""

import os
import random
import shutil
import signal
import time
from collections import defaultdict, deque
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer

from senet_mm.engine import Runner
from senet_mm.engine.checkpoints import Writer, find_last, snapshot
from senet_mm.engine.checkpoints.state import collect_state, restore_state
from senet_mm.engine.lock import locked
from senet_mm.engine.watch import Interrupted
from senet_mm.engine.weights.safe_load import load_from_local
from senet_mm.utils.errors import InputError

from ..forked import SERVER, run_ranks
from .kills import (
    BASE,
    KINDS,
    differences,
    draw,
    run_killed,
    run_whole,
    start,
    story,
    wait_for,
    write_config,
)
from .test_runner import digits

pytestmark = pytest.mark.slow

SMALL = {key: value for key, value in BASE.items() if key not in ('custom_hooks', 'log_level')}


@pytest.fixture(scope='module')
def wholes(tmp_path_factory):
    """Story and trace of runs that were not killed, by kind; each is trained when it is needed."""
    stories = {}

    def get(kind):
        if kind not in stories:
            work_dir = tmp_path_factory.mktemp('whole') / 'run'
            stories[kind] = run_whole(work_dir, KINDS[kind])
        return stories[kind]

    return get


@pytest.mark.parametrize('aimed', [True, False])
@pytest.mark.parametrize('kind', KINDS)
def test_a_killed_run_equals_one_that_was_not(wholes, tmp_path, kind, aimed):
    """Weights, optimizer, history, scalars and files, to the bit."""
    expected, trace = wholes(kind)
    deadly = draw(random.Random(f'{kind} {aimed}'), trace, aimed, kills=3)
    done = run_killed(tmp_path / 'run', KINDS[kind], deadly)
    assert done or not aimed  # a run may end before a given second
    assert differences(expected, story(tmp_path / 'run')) == []


def test_two_processes_of_which_some_are_killed(tmp_path):
    """A rank, the launcher, or all of them; started again, the run equals one without kills."""
    kind = KINDS['balanced, one kept']
    for run in run_ranks(['tools/train.py', write_config(tmp_path / 'whole', kind)], 2):
        assert run.returncode == 0, run.stderr
    # Sooner than any run ends.
    assert run_killed(tmp_path / 'run', kind, [0.5], processes=2)
    found = story(tmp_path / 'run')
    found.pop('.launch')
    assert differences(story(tmp_path / 'whole'), found) == []


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
@pytest.mark.parametrize('kind', ['plain', 'averaged, dropout, early stopping'])
def test_a_signal_saves_and_ends(wholes, tmp_path, kind, number):
    """The exit code is 128 plus the signal; the resumed run equals one without a signal."""
    expected, trace = wholes(kind)
    deadly = draw(random.Random(f'{kind} {number}'), trace, aimed=False, kills=3)
    run_killed(tmp_path / 'run', KINDS[kind], deadly, signum=number)
    assert differences(expected, story(tmp_path / 'run')) == []


class Signal(Hook):
    """Sends a signal to the process at a place, after the first iteration; not the first times."""

    def __init__(self, place, passed=0):
        self.passed = passed
        setattr(self, place, self.send)

    def send(self, runner, **kwargs):
        if self.passed:
            self.passed -= 1
        elif runner.iter and not runner.watch.signum:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ('averaging', 'place', 'passed'),
    [
        (dict(type='EMAHook'), 'after_train_iter', 0),
        (dict(type='EMAHook'), 'before_val_iter', 0),
        (dict(type='EMAHook'), 'after_train_epoch', 0),
        (dict(type='mmpretrain.EMAHook', evaluate_on_origin=True), 'before_val_iter', 0),
        # The second validation, of the trained weights.
        (dict(type='mmpretrain.EMAHook', evaluate_on_origin=True), 'before_val_iter', 1),
        (dict(type='mmpretrain.EMAHook', evaluate_on_ema=False), 'before_val_iter', 0),
    ],
)
def test_where_a_signal_comes(tmp_path, averaging, place, passed):
    """What is trained is saved, in a validation too, with the trained weights."""
    options = {**SMALL, 'custom_hooks': [averaging]}
    options['default_hooks.checkpoint.interval'] = 3
    runner = Runner.from_cfg(digits(tmp_path, **options))
    runner.register_hook(Signal(place, passed))
    with pytest.raises(Interrupted) as end:
        runner.train()
    assert end.value.code == 143
    saved = torch.load(tmp_path / 'between.pth', weights_only=False)
    assert saved['meta']['iter'] == runner.iter == (2 if place == 'after_train_iter' else 7)
    trained, averaged = saved['ema_state_dict'], saved['state_dict']
    name = 'head.fc.weight'
    assert torch.equal(trained[f'module.{name}'], runner.model.state_dict()[name])
    assert not torch.equal(averaged[name], runner.model.state_dict()[name])


class Disguise(Hook):
    """Gets a signal within code that hides all exceptions, as that of mmengine's config does."""

    def before_train(self, runner):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except BaseException:
            raise SyntaxError('Failed to format the config file')  # noqa: B904


def test_a_signal_that_a_library_takes_for_an_error(tmp_path):
    runner = Runner.from_cfg(digits(tmp_path, **SMALL))
    runner.register_hook(Disguise())
    with pytest.raises(Interrupted) as end:
        runner.train()
    assert end.value.code == 143


def test_a_second_signal_ends_at_once(tmp_path):
    work_dir = tmp_path / 'run'
    process = start(work_dir, {'train_cfg.max_epochs': 1000})
    wait_for(lambda: list(work_dir.glob('epoch_1.pth')), process, work_dir)
    os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode in (130, 143)


def test_a_snapshot_does_not_change():
    weight = torch.zeros(3)
    state = {'a': weight, 'b': {'same': weight[1:]}, 'c': [1, {'d': [2]}]}
    copy = snapshot(state)
    weight += 1
    state['c'][1]['d'].append(3)
    assert copy['a'].tolist() == [0, 0, 0]
    assert copy['b']['same'].untyped_storage().data_ptr() == copy['a'].untyped_storage().data_ptr()
    assert copy['c'] == [1, {'d': [2]}]


def test_a_snapshot_is_what_a_reader_takes(tmp_path, logged):
    """What hooks add becomes plain data or is left out, so that the run can be resumed."""
    path, numbers = Path('a') / 'b', np.arange(3.0)
    state = {
        'plain': [1, 2.5, 'text', None, True, b'bytes', (1, [2]), {3}, numbers, numbers[0]],
        'torch': [torch.float16, torch.Size([1]), torch.device('cpu')],
        'near': [
            path,
            deque([1]),
            frozenset([2]),
            range(2),
            bytearray(b'c'),
            defaultdict(int, d=4),
        ],
        'message_hub': {'history': HistoryBuffer([1.0], [1]), 'when': datetime.now()},
        'objects': np.array([object()]),
        'deep': {'list': [1, [Fraction(1, 2)]]},
    }
    torch.save(snapshot(state), tmp_path / 'a.pth')
    read = load_from_local(str(tmp_path / 'a.pth'), 'cpu')
    assert read.keys() == {'plain', 'torch', 'near', 'message_hub', 'deep'}
    assert read['deep'] == {}
    assert read['near'] == [str(path), [1], {2}, [0, 1], b'c', {'d': 4}]
    assert read['torch'] == state['torch']
    assert str(read['plain']) == str(state['plain'])
    assert read['message_hub']['history'].data[0].tolist() == [1]
    said = [record.message for record in logged.records]
    for place, kind in {'message_hub.when': 'datetime', 'objects': 'ndarray'}.items():
        assert any(f'{place} is left out, since it holds a {kind}' in line for line in said)
    assert any('deep.list is left out, since it holds a Fraction' in line for line in said)


class Counting(Hook):
    """Has a state."""

    def __init__(self, count):
        self.count = count

    def state_dict(self):
        return {'count': self.count}

    def load_state_dict(self, state):
        self.count = state['count']


def test_two_hooks_of_a_class_keep_their_states(tmp_path):
    begun, resumed = (Runner.from_cfg(digits(tmp_path, **SMALL)) for _ in range(2))
    for runner, counts in ((begun, (1, 2)), (resumed, (0, 0))):
        for count in counts:
            runner.register_hook(Counting(count))
    begun.optim_wrapper = begun.build_optim_wrapper(begun.optim_wrapper)
    restore_state(resumed, collect_state(begun, {}, save_param_scheduler=False))
    assert [hook.count for hook in resumed.hooks if isinstance(hook, Counting)] == [1, 2]


def test_buffers_of_other_processes_are_averaged(tmp_path):
    runner = Runner.from_cfg(digits(tmp_path, **SMALL))
    name = 'backbone.bn1.running_mean'
    shape = runner.model.state_dict()[name].shape
    ranks = [{name: torch.full(shape, value)} for value in (1.0, 2.0)]
    restore_state(runner, {'rank_buffers': ranks})
    assert torch.equal(runner.model.state_dict()[name], torch.full(shape, 1.5))


def test_one_checkpoint_at_a_time():
    order = []

    def job(number):
        def run():
            time.sleep(0.05)
            order.append(number)

        return run

    writer = Writer()
    for number in range(3):
        writer.submit(lambda number=number: (order.append(f'copy {number}'), job(number))[1])
    writer.join()
    assert order == ['copy 0', 0, 'copy 1', 1, 'copy 2', 2]


def test_a_checkpoint_that_cannot_be_written_ends_the_run(tmp_path):
    """At the next iteration, with the line of the writer."""
    runner = Runner.from_cfg(digits(tmp_path, **SMALL))

    class Obstacle(Hook):
        def before_train_epoch(self, runner):
            (tmp_path / 'epoch_1.pth').mkdir(exist_ok=True)

    runner.register_hook(Obstacle())
    with pytest.raises(InputError, match=r'epoch_1.pth is a folder; allowed: a file'):
        runner.train()
    assert not list(tmp_path.glob('.*.tmp'))


@pytest.mark.parametrize('part', [i / 16 for i in range(16)])
@pytest.mark.parametrize('damage', ['flipped', 'cut off'])
def test_a_damaged_checkpoint_is_passed_over(last_two, part, damage):
    """Wherever the damage is, the one before is resumed, or the file reads the same."""
    work_dir, whole = last_two
    file = work_dir / 'epoch_2.pth'
    data = bytearray(whole)
    place = int(part * len(data))
    if damage == 'flipped':
        data[place] ^= 0x10
    file.write_bytes(data if damage == 'flipped' else data[:place])
    chosen = find_last(work_dir)
    if chosen == str(file):
        before, after = torch.load(work_dir / 'copy', weights_only=False), torch.load(file)
        assert all(torch.equal(v, after['state_dict'][k]) for k, v in before['state_dict'].items())
    else:
        assert chosen == str(work_dir / 'epoch_1.pth')


@pytest.fixture(scope='module')
def last_two(tmp_path_factory):
    """A work directory with two checkpoints, and the bytes of the last one."""
    work_dir = tmp_path_factory.mktemp('two')
    Runner.from_cfg(digits(work_dir, **{**SMALL, 'train_cfg.max_epochs': 2})).train()
    whole = (work_dir / 'epoch_2.pth').read_bytes()
    (work_dir / 'copy').write_bytes(whole)
    return work_dir, whole


def test_all_are_damaged(tmp_path):
    for name in ('epoch_1.pth', 'epoch_2.pth'):
        (tmp_path / name).write_bytes(b'PK\x03\x04')
    (tmp_path / 'last_checkpoint').write_text('epoch_2.pth')
    message = r'epoch_2.pth is damaged .*epoch_1.pth is damaged .*; allowed: --resume CHECKPOINT'
    with pytest.raises(ValueError, match=message):
        find_last(tmp_path)


def test_the_pointer_names_a_file_that_is_gone(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('epoch_2.pth')
    with pytest.raises(FileNotFoundError, match=r'epoch_2.pth is not there; allowed: --resume'):
        find_last(tmp_path)


POINTERS = {
    'empty': b'',
    'a newline': b'\n',
    'no text': b'\xff\xfe\x00\x80',
    'cut off': b'epoch_',
    'long': b'e' * 5000,
    'a folder above': b'../..',
    'of another machine': b'/mnt/scratch/run/epoch_2.pth\n',
    'of Windows': b'C:\\runs\\epoch_2.pth',
}


@pytest.mark.parametrize('content', POINTERS.values(), ids=POINTERS)
def test_a_pointer_is_a_hint(last_two, tmp_path, content):
    """The newest checkpoint is found, whatever the pointer holds."""
    copy = shutil.copytree(last_two[0], tmp_path / 'copy')
    (copy / 'epoch_2.pth').write_bytes(last_two[1])
    (copy / 'last_checkpoint').write_bytes(content)
    assert find_last(copy) == str(copy / 'epoch_2.pth')


OBSTACLES = {
    'a dangling link': lambda path: path.symlink_to('nowhere'),
    'a folder': lambda path: path.mkdir(),
    'a fifo': os.mkfifo,
    'weights alone': lambda path: torch.save({'state_dict': {'a': torch.zeros(2)}}, path),
    'a tensor': lambda path: torch.save(torch.zeros(2), path),
    'no file of torch': lambda path: path.write_bytes(b'weights'),
    'code': lambda path: torch.save({'a': os.getcwd}, path),
}


@pytest.mark.parametrize('is_pointed_to', [True, False])
@pytest.mark.parametrize('make', OBSTACLES.values(), ids=OBSTACLES)
def test_what_is_no_checkpoint_of_a_training_is_passed_over(
    last_two, tmp_path, logged, make, is_pointed_to
):
    copy = shutil.copytree(last_two[0], tmp_path / 'copy')
    (copy / 'epoch_2.pth').write_bytes(last_two[1])
    make(copy / 'new.pth')
    if is_pointed_to:
        (copy / 'last_checkpoint').write_text('new.pth')
    else:
        (copy / 'last_checkpoint').unlink()
    assert find_last(copy) == str(copy / 'epoch_2.pth')
    if is_pointed_to:
        assert 'new.pth ' in logged.text
        assert '; the run resumes from epoch_2.pth' in logged.text


def test_nothing_but_weights_of_others(tmp_path, logged):
    """They are no reason not to start."""
    torch.save({'state_dict': {}}, tmp_path / 'resnet.pth')
    assert find_last(tmp_path) is None
    assert 'resnet.pth has no meta.epoch' in logged.text


@pytest.mark.parametrize(
    'options',
    [
        {'work_dir': 's3://bucket/run'},
        {'default_hooks.checkpoint.out_dir': 's3://bucket/run'},
        {'default_hooks.checkpoint.backend_args': dict(backend='petrel')},
    ],
)
def test_a_remote_folder_is_refused(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r'=.*; allowed: .* mounted folder'):
        Runner.from_cfg(digits(**{'work_dir': 'run', **options}))
    assert not list(tmp_path.glob('s3*'))


@pytest.mark.parametrize('path', ['gone.pth', '.', 's3://bucket/epoch_1.pth'])
def test_a_typed_checkpoint_must_be_there(tmp_path, path):
    path = path if '://' in path else str(tmp_path / path)
    with pytest.raises(
        (ValueError, OSError), match=rf'checkpoint {path} (does not exist|is .*all)'
    ):
        Runner.from_cfg(digits(tmp_path, load_from=path, resume=True, **SMALL))


def hold(folder):
    """Lock a folder until the process is killed."""
    with locked(folder):
        (folder / 'held').touch()
        time.sleep(60)


def test_two_runs_in_a_folder(tmp_path):
    """The second is refused; the lock ends with the process that holds it."""
    process = SERVER.Process(target=hold, args=(tmp_path,))
    process.start()
    wait_for((tmp_path / 'held').exists, process, tmp_path)
    runner = Runner.from_cfg(digits(tmp_path, **SMALL))
    with pytest.raises(
        ValueError, match=rf'another run trains in .*: process {process.pid} on .*; allowed'
    ):
        runner.train()
    process.kill()
    process.join()
    with locked(tmp_path):
        pass
