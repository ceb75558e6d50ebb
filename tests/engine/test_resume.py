"""A run that is resumed is the run that was not interrupted, or says why not."""

import contextlib
import itertools
import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine import Config
from mmengine.hooks import Hook

from senet_mm.engine import Runner
from senet_mm.engine.checkpoints.folder import find_last, set_aside

from ..conftest import ROOT

pytestmark = pytest.mark.slow

COSINE = dict(type='CosineAnnealingLR', by_epoch=True, T_max=2, convert_to_iter_based=True)


def make(work_dir, epochs=2, validate=False, **options):
    """A runner of four iterations an epoch on the digits."""
    cfg = Config.fromfile(ROOT / 'configs/digits/seresnet8_1xb64_digits.py')
    if not validate:
        cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
        cfg.default_hooks.checkpoint.save_best = None
    defaults = {
        'work_dir': str(work_dir),
        'train_cfg.max_epochs': epochs,
        'train_dataloader.batch_size': 16,
        'train_dataloader.num_batch_per_epoch': 4,
        'param_scheduler': {**COSINE, 'T_max': epochs},
    }
    schedule = options.pop('param_scheduler', None)
    cfg.merge_from_dict({**defaults, **options})
    if schedule is not None:
        cfg.param_scheduler = schedule
    return Runner.from_cfg(cfg)


class Rates(Hook):
    """Learning rates by iteration."""

    def __init__(self):
        self.rates = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates[runner.iter] = [group['lr'] for group in runner.optim_wrapper.param_groups]


def train(runner):
    hook = Rates()
    runner.register_hook(hook)
    runner.train()
    return hook.rates


def log_of(work_dir):
    return ''.join(file.read_text() for file in work_dir.glob('*/*.log'))


def assert_equal_weights(first, second):
    second = second.model.state_dict()
    assert all(torch.equal(v, second[name]) for name, v in first.model.state_dict().items())


def copy_after_first_epoch(work_dir, copy):
    """A copied work directory of a run that was interrupted after its first epoch."""
    copy.mkdir()
    shutil.copy(work_dir / 'epoch_1.pth', copy)
    (copy / 'last_checkpoint').write_text(str(work_dir / 'epoch_1.pth'))
    return copy


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Two epochs with a seed that was drawn."""
    work_dir = tmp_path_factory.mktemp('whole')
    runner = make(work_dir)
    return SimpleNamespace(work_dir=work_dir, runner=runner, rates=train(runner))


def test_a_drawn_seed_is_kept(whole, tmp_path):
    copy = copy_after_first_epoch(whole.work_dir, tmp_path / 'copy')
    runner = make(copy, resume=True)
    rates = train(runner)
    assert runner.seed == whole.runner.seed
    assert rates == {i: rate for i, rate in whole.rates.items() if i >= 4}
    assert_equal_weights(whole.runner, runner)
    assert 'resumed with another config' not in log_of(copy)


def test_another_seed_is_refused(whole, tmp_path):
    copy = copy_after_first_epoch(whole.work_dir, tmp_path / 'copy')
    seed = whole.runner.seed
    with pytest.raises(ValueError, match=rf'randomness.seed={seed + 1}, .* allowed: {seed} or '):
        make(copy, resume=True, randomness=dict(seed=seed + 1))


def test_a_copied_folder_is_resumed_from_its_own_file(whole, tmp_path):
    copy = copy_after_first_epoch(whole.work_dir, tmp_path / 'copy')
    assert find_last(copy) == str(copy / 'epoch_1.pth')


def test_the_best_of_the_original_folder_is_left_alone(tmp_path):
    work_dir, copy = tmp_path / 'run', tmp_path / 'copy'
    options = {'validate': True, 'val_dataloader.dataset.indices': 100}
    make(work_dir, 1, **options).train()
    shutil.copytree(work_dir, copy)
    before = sorted(work_dir.glob('best_*.pth'))
    runner = make(copy, 4, resume=True, **options)
    runner.train()
    assert sorted(work_dir.glob('best_*.pth')) == before
    assert runner.message_hub.get_info('best_ckpt').startswith(str(copy))
    assert len(list(copy.glob('best_*.pth'))) == 1


def train_twice(work_dir, **options):
    """The files of a training by name, after which another one was started in its folder."""
    common = {'validate': True, 'val_dataloader.dataset.indices': 100}
    make(work_dir, 2, **common).train()
    first = {path.name: path.read_bytes() for path in work_dir.glob('*.pth')}
    make(work_dir, 1, **common, **options).train()
    return first


def test_a_folder_has_the_checkpoints_of_one_training(tmp_path):
    first = train_twice(tmp_path)
    assert find_last(tmp_path) == str(tmp_path / 'epoch_1.pth')
    assert sorted(path.name.rpartition('_')[2] for path in tmp_path.glob('*.pth')) == ['1.pth'] * 2
    moved = {path.name: path.read_bytes() for path in tmp_path.glob('*/*.pth')}
    assert moved == first


def test_what_a_training_reads_stays_in_its_folder(tmp_path):
    first = train_twice(tmp_path, load_from=str(tmp_path / 'epoch_2.pth'))
    assert (tmp_path / 'epoch_2.pth').read_bytes() == first['epoch_2.pth']
    assert {path.name for path in tmp_path.glob('*/*.pth')} == {*first} - {'epoch_2.pth'}


@pytest.mark.parametrize('moved', range(4))
def test_a_kill_while_files_are_set_aside_leaves_what_can_be_resumed(moved, tmp_path, monkeypatch):
    make(tmp_path, 3).train()
    paths = sorted(tmp_path.glob('*.pth'))
    assert len(paths) == 3
    count = itertools.count()

    def rename(self, target, original=Path.rename):
        if next(count) == moved:
            raise KeyboardInterrupt
        return original(self, target)

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(Path, 'rename', rename)
        set_aside(tmp_path, paths, tmp_path / 'earlier')
    last = str(tmp_path / 'epoch_3.pth')
    assert find_last(tmp_path) == (last if moved < 3 else None)
    assert len([*tmp_path.rglob('*.pth')]) == 3


SCHEDULES = {
    'cosine': lambda epochs: {**COSINE, 'T_max': epochs},
    'cosine by epoch': lambda epochs: dict(type='CosineAnnealingLR', by_epoch=True, T_max=epochs),
    'steps': lambda epochs: dict(type='MultiStepLR', by_epoch=True, milestones=[1, 2]),
    'until the end': lambda epochs: dict(type='PolyLR', by_epoch=True, convert_to_iter_based=True),
    'two': lambda epochs: [
        dict(type='LinearLR', start_factor=0.1, by_epoch=True, end=1, convert_to_iter_based=True),
        {**COSINE, 'begin': 1, 'T_max': epochs - 1},
    ],
    'one cycle': lambda epochs: dict(
        type='OneCycleLR', by_epoch=False, eta_max=0.2, total_steps=4 * epochs
    ),
    'none': lambda epochs: [],
}


@pytest.mark.parametrize('schedule', SCHEDULES.values(), ids=SCHEDULES)
def test_more_epochs_follow_the_longer_schedule(tmp_path, schedule):
    """The learning rate of each iteration is that of a run that was long from the beginning."""
    options = {}
    if schedule is SCHEDULES['cosine']:  # a group for each parameter
        options['optim_wrapper.paramwise_cfg'] = dict(bias_lr_mult=2.0)
    train(make(tmp_path / 'a', 2, param_scheduler=schedule(2), **options))
    resumed = train(make(tmp_path / 'a', 3, param_scheduler=schedule(3), resume=True, **options))
    long = train(make(tmp_path / 'b', 3, param_scheduler=schedule(3), **options))
    assert list(resumed) == [8, 9, 10, 11]
    assert resumed == {i: long[i] for i in resumed}


@pytest.mark.parametrize(
    ('option', 'value', 'line'),
    [
        ('optim_wrapper.optimizer.lr', 0.05, 'lr 0.1 -> 0.05'),
        ('optim_wrapper.optimizer.momentum', 0.5, 'momentum 0.9 -> 0.5'),
        ('optim_wrapper.optimizer.weight_decay', 0.0, 'weight_decay 0.0005 -> 0.0'),
        ('optim_wrapper.optimizer.nesterov', True, 'nesterov False -> True'),
        ('param_scheduler', {**COSINE, 'eta_min': 0.01}, 'schedule of lr: eta_min 0.0 -> 0.01'),
    ],
)
def test_other_options_act_and_are_logged(whole, tmp_path, option, value, line):
    copy = copy_after_first_epoch(whole.work_dir, tmp_path / 'copy')
    runner = make(copy, resume=True, **{option: value})
    rates = train(runner)
    assert f'resumed with another config: {line}\n' in log_of(copy)
    name = option.rpartition('.')[2]
    if name in ('momentum', 'weight_decay', 'nesterov'):
        assert runner.optim_wrapper.param_groups[0][name] == value
        assert rates[4] == whole.rates[4]
    else:
        expected = train(make(tmp_path / 'new', **{option: value}))
        assert rates == {i: expected[i] for i in (4, 5, 6, 7)}


def test_a_schedule_that_follows_the_validation_keeps_its_state(tmp_path):
    plateau = dict(type='ReduceOnPlateauLR', monitor='accuracy/top1', rule='less', patience=0)
    options = {'validate': True, 'val_dataloader.dataset.indices': 100}
    make(tmp_path, 3, param_scheduler=plateau, **options).train()
    runner = make(
        tmp_path,
        5,
        param_scheduler={**plateau, 'patience': 9},
        resume=True,
        **{'optim_wrapper.optimizer.lr': 0.2, **options},
    )
    saved = torch.load(tmp_path / 'epoch_3.pth', weights_only=False)
    rates = train(runner)
    [scheduler], [state] = runner.param_schedulers, saved['param_schedulers']
    assert scheduler.patience == 9
    # The last validation of the shorter run, which came after its schedule's end, and the fourth.
    assert scheduler.last_step == state['last_step'] + 2
    assert rates[12] == pytest.approx([2 * saved['optimizer']['param_groups'][0]['lr']])


@pytest.mark.parametrize(
    ('begun', 'stopped', 'hooks'),
    [(2, 2, []), (4, 1, []), (4, 3, []), (4, 2, [dict(type='ResultHook')])],
)
def test_a_schedule_sees_each_validation_once(tmp_path, begun, stopped, hooks):
    """Whether or not the checkpoint was written again after it; whether or not it was the last."""
    options = {
        'validate': True,
        'val_dataloader.dataset.indices': 100,
        'randomness.seed': 0,
        'custom_hooks': hooks,
        'default_hooks.checkpoint.max_keep_ckpts': -1,
        'param_scheduler': dict(
            type='ReduceOnPlateauLR', monitor='accuracy/top1', rule='less', patience=0
        ),
    }
    long = train(make(tmp_path / 'a', 4, **options))
    begin = make(tmp_path / 'b', begun, **options)
    begin.train()
    checkpoint = str(tmp_path / 'b' / f'epoch_{stopped}.pth')
    rates = train(make(tmp_path / 'c', 4, resume=True, load_from=checkpoint, **options))
    assert rates == {i: rate for i, rate in long.items() if i >= 4 * stopped}


def test_another_batch_size_counts_by_epochs(whole, tmp_path):
    copy = copy_after_first_epoch(whole.work_dir, tmp_path / 'copy')
    options = {'train_dataloader.batch_size': 32, 'train_dataloader.num_batch_per_epoch': 2}
    runner = make(copy, resume=True, **options)
    rates = train(runner)
    assert list(rates) == [2, 3]
    assert rates[2] == whole.rates[4]  # the schedule by epoch is the same
    line = (
        '1 process(es) of batch 32, 1 of 16 before; the lr is not scaled to the batch; 2 iterations'
    )
    assert line in log_of(copy)


@pytest.mark.parametrize('num_workers', [0, 1])
def test_the_middle_of_an_epoch(whole, tmp_path, num_workers):
    """The rest of the epoch's images, in the order of the whole run."""
    options = {
        'default_hooks.checkpoint.by_epoch': False,
        'default_hooks.checkpoint.interval': 6,
        'randomness.seed': 0,
        'train_dataloader.num_workers': num_workers,
    }
    expected = make(tmp_path, **options)
    expected.train()
    (tmp_path / 'last_checkpoint').write_text('iter_6.pth')
    runner = make(tmp_path, resume=True, **options)
    assert list(train(runner)) == [6, 7]
    assert_equal_weights(expected, runner)


def test_a_complete_training_says_so(whole, caplog, monkeypatch):
    runner = make(whole.work_dir, resume=True)
    monkeypatch.setattr(runner.logger, 'handlers', [*runner.logger.handlers, caplog.handler])
    caplog.set_level(logging.INFO)
    assert train(runner) == {}
    assert (
        'nothing is left to train: 2 of 2 epochs are done; a larger train_cfg.max_epochs adds some'
    ) in caplog.messages
    assert 'the training is complete: 2 epochs' in caplog.text


def test_a_new_folder_starts_and_says_so(whole, tmp_path):
    """``auto``: from the weights of the config; they are not left out for want of a checkpoint."""
    weights = str(whole.work_dir / 'epoch_2.pth')
    rate = {'optim_wrapper.optimizer.lr': 0.0, 'train_cfg.max_epochs': 1}
    runner = make(tmp_path, resume='auto', load_from=weights, **rate)
    assert list(train(runner)) == [0, 1, 2, 3]
    conv = runner.model.backbone.conv1.weight
    assert torch.equal(conv, whole.runner.model.backbone.conv1.weight)
    assert f'no checkpoint in {tmp_path} yet: training starts' in log_of(tmp_path)


def test_another_optimizer_is_refused(whole, tmp_path):
    copy = copy_after_first_epoch(whole.work_dir, tmp_path / 'copy')
    adam = dict(_delete_=True, type='Adam', lr=0.1)
    message = 'is of another optimizer, with dampening, momentum, nesterov, so'
    with pytest.raises(ValueError, match=message):
        make(copy, resume=True, **{'optim_wrapper.optimizer': adam}).train()


@pytest.mark.parametrize('resume', [True, 'auto'])
def test_a_test_measures_what_is_given(whole, tmp_path, resume):
    """Whatever the config of a resumed run says, whose folder has a later checkpoint."""
    copy = tmp_path / 'copy'
    shutil.copytree(whole.work_dir, copy)
    given = str(copy / 'epoch_1.pth')
    runner = make(copy, load_from=given, resume=resume, validate=True)
    runner.test()
    assert f'loaded {given}' in log_of(copy)
    weights = torch.load(given, weights_only=False)['state_dict']
    assert torch.equal(runner.model.state_dict()['head.fc.bias'], weights['head.fc.bias'])


def test_normalisation_follows_the_resumed_checkpoint(whole, tmp_path):
    """Of a run that took it over from its ``load_from``, which is gone since."""
    copy = copy_after_first_epoch(whole.work_dir, tmp_path / 'copy')
    saved = torch.load(copy / 'epoch_1.pth', weights_only=False)
    saved['meta']['preprocessing'] |= dict(mean=[60], std=[120])
    torch.save(saved, copy / 'epoch_1.pth')
    runner = make(copy, resume='auto', load_from=str(tmp_path / 'gone.pth'))
    runner.train()
    assert runner.model.data_preprocessor.mean.item() == 60
