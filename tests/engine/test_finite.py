"""Losses and gradients that are not finite: skipped, named, counted, rolled back."""

import math
import re
from functools import partial

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper
from mmengine.optim.optimizer import amp_optimizer_wrapper

from senet_mm.apis import get_config, get_model
from senet_mm.engine import Runner, memory
from senet_mm.engine.batch_report import find_path, name_images
from senet_mm.engine.finite import Batch, Buffers, has_finite_norm
from senet_mm.engine.hooks import NonFiniteHook
from senet_mm.registry import OPTIM_WRAPPERS
from senet_mm.utils.errors import NonFiniteError, OutOfMemoryError

from ..conftest import ROOT
from ..forked import run_ranks
from . import poison
from .kills import BASE, differences, plain, run_killed, run_whole, story
from .test_runner import digits, scalars

SMALL = {key: value for key, value in BASE.items() if key not in ('custom_hooks', 'log_level')} | {
    'train_cfg.max_epochs': 1
}
KINDS = {
    'plain': {},
    'averaged': {},
    'clipped': {'optim_wrapper.clip_grad': dict(max_norm=1.0)},
    'accumulated': {'optim_wrapper.accumulative_counts': 2},
}


def make(work_dir, *hooks, averaged=False, **options):
    hooks = [*hooks, *[dict(type='EMAHook')] * averaged]
    return Runner.from_cfg(digits(work_dir, **{**SMALL, 'custom_hooks': hooks, **options}))


def train(work_dir, *hooks, **options):
    runner = make(work_dir, *hooks, **options)
    runner.train()
    return runner


def log_of(work_dir):
    (file,) = work_dir.glob('*/*.log')
    return file.read_text()


@pytest.mark.parametrize(
    ('what', 'kind'),
    [*(('image', kind) for kind in KINDS), ('loss', 'accumulated'), ('gradient', 'averaged')],
)
def test_a_step_is_left_out_whole(tmp_path, kind, what):
    """As if its batches had not been there; the first batch may be one of them."""
    bad = [0, 3, 4]
    left = bad if kind != 'accumulated' else [0, 1, 2, 3, 4, 5]
    options = dict(averaged=kind == 'averaged', **KINDS[kind])
    value = math.inf if what == 'loss' else math.nan
    runner = train(
        tmp_path / 'a', dict(type='Poison', what=what, iters=bad, value=value), **options
    )
    expected = train(tmp_path / 'b', dict(type='LeaveOut', iters=left), **options)
    assert differences(plain(poison.get_state(expected)), plain(poison.get_state(runner))) == []
    assert log_of(tmp_path / 'a').count('left out') == 3
    assert all(math.isfinite(row.get('loss', 0)) for row in scalars(tmp_path / 'a'))


def test_the_batch_is_named(tmp_path):
    """By the images of which it was made, in the order of the sampler; the count is logged."""
    hook = dict(type='Poison', what='loss', iters=[2, 3], value=math.inf)
    runner = train(tmp_path, hook, **{'default_hooks.logger.interval': 1})
    loader = runner.train_dataloader
    loader.sampler.set_epoch(0)
    data, length = loader.dataset.dataset, len(loader.dataset)
    draws = [index * len(data) // length for index, _ in loader.sampler][32:48]
    names = ', '.join(data.get_data_info(i)['img_path'].removeprefix('digits/') for i in draws)
    log = log_of(tmp_path)
    assert (
        f'WARNING - iteration 3 left out, 1 in a row, 1 in all: loss inf, images digits: {names}\n'
        in log
    )
    assert 'iteration 4 left out, 2 in a row, 2 in all: loss inf, images digits: ' in log
    steps = [row for row in scalars(tmp_path) if 'lr' in row]
    assert [row.get('skipped', 0) for row in steps] == [0, 0, 1, 2, 2, 2, 2]


LETTERS = 'abcdefghijklmnopqrst'
SHOWN = ', '.join(LETTERS[:16])


class Listed:
    """A data set of paths."""

    def __init__(self, *paths):
        self.paths = paths

    def get_data_info(self, index):
        return {'img_path': self.paths[index]}


@pytest.mark.parametrize(
    ('dataset', 'indices', 'expected'),
    [
        (Listed('/data/a/1.png', '/data/b/c/2.png'), [1, 0], 'images /data: b/c/2.png, a/1.png'),
        (Listed('a.png', 'b.png'), [0, 1], 'images a.png, b.png'),
        (Listed('s3://b/x/1.png', 's3://b/x/2.png'), [0, 1], 'images s3://b/x: 1.png, 2.png'),
        (Listed('/data/1.png', None), [0, 1], 'images with indices 0, 1'),
        ([7, 8], [1], 'images with indices 1'),
        (Listed(*LETTERS), range(16), f'images {SHOWN}'),
        (
            Listed(*'abcdefghijklmnopqrst'),
            range(20),
            f'images {", ".join("abcdefghijklmnop")} and 4 more',
        ),
        ([7, 8], None, 'images that its loader does not tell'),
    ],
)
def test_names_of_images(dataset, indices, expected):
    assert name_images(Batch(indices, []), partial(find_path, dataset)) == expected


def test_too_many_in_a_row_end_the_run(run_tool, tmp_path):
    """With a line and a code of its own; the last checkpoint is kept, and is finite."""
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = '{ROOT}/configs/digits/seresnet8_1xb64_digits.py'\n"
        "custom_imports = dict(imports=['tests.engine.poison'])\n"
        "custom_hooks = [dict(type='Poison', what='loss', iters=range(9, 99))]\n"
        'train_dataloader = dict(num_batch_per_epoch=7)\n'
    )
    options = ['--cfg-options', 'default_hooks.non_finite.patience=3']
    command = ['tools/train.py', config, '--work-dir', tmp_path / 'run', *options]
    run = run_tool(*command, PYTHONPATH=str(ROOT))
    assert run.returncode == 65, run.stderr
    assert re.fullmatch(
        r'error: stopped in iteration 12: 3 steps in a row were left out; epoch_1.pth is kept; '
        r'allowed: a lower learning rate, .*\n',
        run.stderr,
    )
    assert (tmp_path / 'run/last_checkpoint').read_text() == 'epoch_1.pth'
    saved = torch.load(tmp_path / 'run/epoch_1.pth', weights_only=False)['state_dict']
    assert all(torch.isfinite(value).all() for value in saved.values())
    assert not (tmp_path / 'run/epoch_2.pth').exists()


def test_a_good_step_ends_the_row(tmp_path):
    bad = [0, 1, 3, 4, 6]
    hook = dict(type='Poison', what='gradient', iters=bad)
    runner = train(tmp_path, hook, **{'default_hooks.non_finite.patience': 3})
    assert runner.iter == 7
    assert '5 in all: gradient not finite, images digits: ' in log_of(tmp_path)


def test_a_huge_learning_rate_ends_the_run(tmp_path):
    options = {'optim_wrapper.optimizer.lr': 1e30, 'param_scheduler': [], 'train_cfg.max_epochs': 3}
    with pytest.raises(NonFiniteError, match=r'stopped in iteration \d+: 10 steps in a row'):
        train(tmp_path, **options)


@pytest.mark.parametrize('where', ['after the epoch', 'within'])
def test_weights_that_are_not_finite_are_not_saved(tmp_path, where):
    hook = dict(type='Poison', what='weight', iters=[13 if where == 'after the epoch' else 9])
    with pytest.raises(NonFiniteError, match=r'stopped in iteration \d+: backbone.\S+ is not fin'):
        train(tmp_path, hook, **{'train_cfg.max_epochs': 3})
    assert [path.name for path in tmp_path.glob('epoch_*')] == ['epoch_1.pth']
    assert (tmp_path / 'last_checkpoint').read_text() == 'epoch_1.pth'


def test_infinities_that_belong_to_the_network(tmp_path):
    """A mask in a buffer."""
    runner = make(tmp_path)
    runner.bare_model.register_buffer('mask', torch.tensor([0.0, -math.inf]))
    runner.train()
    assert (tmp_path / 'epoch_1.pth').exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(patience=0), 'patience=0; allowed: whole numbers from 1'),
        (dict(patience=2.5), 'patience=2.5; allowed: whole numbers from 1'),
        (dict(then='skip'), "then='skip' is not known; allowed: stop, rollback"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=f'NonFiniteHook: {message}'):
        NonFiniteHook(**arguments)


@pytest.mark.parametrize(('given', 'count'), [('left away', 1), (None, 0)])
def test_every_run_has_the_hook_unless_it_is_none(tmp_path, given, count):
    cfg = digits(tmp_path, **SMALL)
    cfg.default_hooks.non_finite = given
    if given:
        del cfg.default_hooks['non_finite']
    runner = Runner.from_cfg(cfg)
    assert [type(hook) for hook in runner.hooks].count(NonFiniteHook) == count
    if not count:
        runner.register_hook(poison.Poison('loss', [3]))
        runner.train()
        assert not all(torch.isfinite(p).all() for p in runner.model.parameters())


class Recorder(Hook):
    """Remembers learning rates, and the state after an iteration."""

    def __init__(self, iteration):
        self.iteration, self.rates = iteration, []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.rates += runner.optim_wrapper.get_lr()['lr']
        if runner.iter == self.iteration:
            self.state = plain(poison.get_state(runner))


@pytest.fixture(scope='module')
def rates(tmp_path_factory):
    """The learning rates of two epochs."""
    runner = make(tmp_path_factory.mktemp('rates'), **{'train_cfg.max_epochs': 2})
    recorder = Recorder(0)
    runner.register_hook(recorder, 'LOWEST')
    runner.train()
    return recorder.rates


@pytest.mark.parametrize('averaged', [False, True])
@pytest.mark.parametrize('what', ['loss', 'weight'])
def test_rollback(rates, tmp_path, what, averaged):
    """To the weights of the last checkpoint, with the learning rate of the present."""
    bad = [9, 10, 11] if what == 'loss' else [9]
    options = {'default_hooks.non_finite': dict(type='NonFiniteHook', patience=3, then='rollback')}
    runner = make(
        tmp_path,
        dict(type='Poison', what=what, iters=bad),
        averaged=averaged,
        **{'train_cfg.max_epochs': 2, **options},
    )
    before = Recorder(6)
    after = Recorder(11 if what == 'loss' else 10)
    for hook in (before, after):
        runner.register_hook(hook, 'LOWEST')
    runner.train()
    assert runner.epoch == 2
    assert differences(without_lr(before.state), without_lr(after.state)) == []
    assert after.rates == rates
    assert 'weights and optimizer are those of epoch_1.pth again' in log_of(tmp_path)


def without_lr(state):
    weights, optimizer, averaged = state
    groups = [{k: v for k, v in g.items() if k != 'lr'} for g in optimizer['param_groups']]
    return [weights, {**optimizer, 'param_groups': groups}, averaged]


@pytest.mark.parametrize(
    ('bad', 'message'),
    [
        (range(3), 'iteration 3: 3 steps in a row were left out; no checkpoint was written'),
        (range(8, 14), 'iteration 14: 3 steps in a row .* again, after a rollback to epoch_1.pth'),
    ],
)
def test_where_a_rollback_ends(tmp_path, bad, message):
    options = {'default_hooks.non_finite': dict(type='NonFiniteHook', patience=3, then='rollback')}
    hook = dict(type='Poison', what='loss', iters=bad)
    with pytest.raises(NonFiniteError, match=message):
        train(tmp_path, hook, **options, **{'train_cfg.max_epochs': 3})


def test_counts_are_part_of_a_checkpoint():
    counts = dict(count=7, in_row=3, rolled_back_to='epoch_4.pth')
    hook = NonFiniteHook()
    hook.load_state_dict(counts)
    assert hook.state_dict() == counts


@pytest.mark.slow
def test_a_killed_run_with_bad_batches_equals_one_that_was_not(tmp_path):
    """Rollbacks, counts, and the running statistics before a step that is under way."""
    options = {
        'custom_imports': dict(imports=['tests.engine.poison']),
        'custom_hooks': [
            dict(type='ResultHook'),
            dict(type='EMAHook'),
            dict(type='Poison', what='image', iters=[4, 9, 10, 12, 14]),
        ],
        'default_hooks.non_finite': dict(type='NonFiniteHook', patience=2, then='rollback'),
        'default_hooks.checkpoint.minutes': 1e-9,
        'optim_wrapper.accumulative_counts': 2,
    }
    expected, trace = run_whole(tmp_path / 'whole', options)
    text = log_of(tmp_path / 'whole')
    assert text.count('left out, ') == 5
    assert text.count('are those of epoch_1.pth again') == 1
    assert text.count('are those of epoch_2.pth again') == 1
    deadly = [round(trace.operations * part) for part in (0.3, 0.45, 0.6)]
    assert run_killed(tmp_path / 'run', options, deadly)
    assert differences(expected, story(tmp_path / 'run')) == []


@OPTIM_WRAPPERS.register_module(force=True)
class CpuAmp(AmpOptimWrapper):
    """mmengine's float16 training, on a CPU."""

    def __init__(self, **kwargs):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(amp_optimizer_wrapper, 'is_cuda_available', lambda: True)
            super().__init__(**kwargs)
        self.loss_scaler = torch.amp.GradScaler('cpu', init_scale=2.0**10)


@pytest.mark.parametrize('what', ['loss', 'gradient'])
def test_overflow_under_a_loss_scaler_is_no_fault(tmp_path, what):
    """A loss that is not finite is one, and does not reduce the scale."""
    hook = dict(type='Poison', what=what, iters=[2, 5], value=math.inf)
    runner = train(tmp_path, hook, **{'optim_wrapper.type': 'CpuAmp'})
    assert log_of(tmp_path).count('left out') == (2 if what == 'loss' else 0)
    assert runner.optim_wrapper.loss_scaler.get_scale() == 2.0 ** (10 if what == 'loss' else 8)


CONFIG = """
_base_ = '{root}/configs/digits/seresnet8_1xb64_digits.py'
custom_imports = dict(imports=['tests.tools.per_rank', 'tests.engine.poison'])
custom_hooks = [dict(type='SavePerRank', folder='{folder}'), {hook}]
randomness = dict(seed=0)
train_cfg = dict(max_epochs=1)
train_dataloader = dict(batch_size=16, num_batch_per_epoch=7)
optim_wrapper = dict(accumulative_counts={counts})
"""


@pytest.mark.slow
@pytest.mark.parametrize(('what', 'counts'), [('image', 2), ('loss', 1), ('gradient', 1)])
def test_all_processes_leave_out_the_same_steps(tmp_path, what, counts):
    """What one of them meets."""
    left = [3, 4] if counts == 1 else [2, 3, 4, 5]
    hooks = {
        'a': dict(type='Poison', what=what, iters=[3, 4], ranks=[1]),
        'b': dict(type='LeaveOut', iters=left),
    }
    models = {}
    for name, hook in hooks.items():
        folder = tmp_path / name
        folder.mkdir()
        config = folder / 'config.py'
        text = CONFIG.format(root=ROOT, folder=folder, hook=hook, counts=counts)
        config.write_text(text.replace('nan', "float('nan')"))
        runs = run_ranks(['tools/train.py', config, '--work-dir', folder / 'run'], 2)
        assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
        models[name] = [torch.load(folder / f'rank{rank}.pth') for rank in range(2)]
    for model in models['a']:
        assert differences(plain(models['b'][0]), plain(model)) == []
    log = log_of(tmp_path / 'a/run')
    assert log.count('left out') == 2
    if what != 'gradient':  # which is their mean
        assert log.count('in all: rank 1, loss nan, images digits: ') == 2
        assert 'rank 0' not in log


class Full(Hook):
    """A device without memory, in training or validation."""

    def __init__(self, place):
        setattr(self, place, self.fill)

    def fill(self, runner, *args, **kwargs):
        if runner.iter:
            runner.bare_model.backbone.forward = self.forward

    def forward(self, *args, **kwargs):
        raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ..')


@pytest.mark.parametrize(
    ('options', 'place', 'expected'),
    [
        (
            {},
            'before_train_iter',
            'train_dataloader.batch_size=16; allowed: a smaller one, with a larger '
            'optim_wrapper.accumulative_counts (now 1) for the same step, --amp (now float32), '
            'model.backbone.block.with_cp=True (now False)',
        ),
        (
            {
                'activation_checkpointing': ['backbone.layer1'],
                'optim_wrapper.type': 'Bf16OptimWrapper',
                'optim_wrapper.accumulative_counts': 4,
            },
            'before_train_iter',
            'train_dataloader.batch_size=16; allowed: a smaller one, with a larger '
            'optim_wrapper.accumulative_counts (now 4) for the same step',
        ),
        ({}, 'before_val_iter', 'val_dataloader.batch_size=100; allowed: a smaller one'),
    ],
)
def test_a_full_device_gets_advice(tmp_path, options, place, expected):
    runner = make(tmp_path, **{'val_dataloader.batch_size': 100, **options})
    runner.register_hook(Full(place))
    with pytest.raises(OutOfMemoryError) as error:
        runner.train()
    assert str(error.value) == f'out of memory (allocate 2.00 GiB more): {expected}'


@pytest.mark.parametrize(
    ('config', 'expected'),
    [
        ('seresnet18_8xb32_in1k', 'model.backbone.block.with_cp=True'),
        ('se-bn-inception-caffe_8xb32_in1k', 'model.backbone.with_cp=True'),
    ],
)
def test_the_key_of_the_recomputation(config, expected):
    """It exists, and is not advised where it is set."""
    assert memory._get_recomputation(get_model(config)) == [f'{expected} (now False)']
    set_already = get_config(config, {expected.partition('=')[0]: True})
    assert memory._get_recomputation(get_model(set_already)) == []


def test_buffers_are_put_back():
    """Also where a module has exchanged them."""
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2))
    buffers = Buffers(model)
    for _ in range(2):
        buffers.take()
        model[0].running_mean = torch.full((2,), math.nan)
        model[0].num_batches_tracked += 1
        buffers.put_back()
        assert model[0].running_mean.tolist() == [0, 0]
        assert model[0].num_batches_tracked == 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.float32])
def test_norm_is_finite_where_all_elements_are(dtype):
    large = torch.full((200,), 6e4, dtype=dtype)
    assert has_finite_norm([large, large])
    assert not has_finite_norm([large, large.clone().fill_(float('inf'))])
