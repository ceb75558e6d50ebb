import re

import pytest
import torch

from senet_mm.apis import list_models
from senet_mm.config.names import get_config
from senet_mm.engine import Runner
from senet_mm.engine.speed import use_threads
from senet_mm.models.backbones import BasicBlock
from senet_mm.ops import trial
from senet_mm.ops.fuse import FusedBasicBlock
from senet_mm.utils.measure import Timing

from .test_runner import digits


@pytest.fixture
def threads(monkeypatch):
    """Three threads, none asked for by the environment."""
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(('count', 'used'), [(None, 3), (1, 1), (2, 2)])
def test_use_threads(threads, count, used):
    use_threads(count)
    assert torch.get_num_threads() == used


def test_the_environment_goes_first(threads, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    use_threads(1)
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize('count', [0, -1, 1.5, '2', True])
def test_a_count_of_threads_is_a_positive_whole_number(threads, count):
    with pytest.raises(ValueError, match=rf'env_cfg.num_threads={count!r}; allowed: whole numbers'):
        use_threads(count)


@pytest.mark.parametrize('name', list_models('*digits'))
def test_digits_are_trained_with_one_thread(threads, tmp_path, name):
    cfg = get_config(name)
    cfg.work_dir = str(tmp_path)
    Runner.from_cfg(cfg)
    assert torch.get_num_threads() == 1


def run_digits(work_dir, **options):
    cfg = digits(work_dir, **{'train_cfg.max_epochs': 1, **options})
    runner = Runner.from_cfg(cfg)
    runner.train()
    [file] = work_dir.glob('*/*.log')
    [line] = re.findall('blocks: (.*)', file.read_text())
    return runner, line


BF16 = {'optim_wrapper.type': 'Bf16OptimWrapper'}


def test_float32_on_a_cpu_is_trained_by_the_plain_blocks(tmp_path):
    runner, line = run_digits(tmp_path)
    assert line.startswith('reference: nothing faster is known for torch.float32')
    assert {type(block) for block in runner.model.backbone.blocks} == {BasicBlock}


@pytest.mark.parametrize('lean', [False, True])
def test_blocks_that_were_asked_for(tmp_path, lean):
    options = {'fuse_tails.implementation': 'fused', 'fuse_tails.lean': lean}
    runner, line = run_digits(tmp_path, **BF16, **options)
    assert re.match(r'fused: [0-9.]+ times as fast as the plain blocks on cpu in bfloat16', line)
    assert {type(block) for block in runner.model.backbone.blocks} == {FusedBasicBlock}
    assert all(block.lean == lean for block in runner.model.backbone.blocks)


def seconds(choice):
    """Times that make a trial choose."""
    times = dict(plain=2.0, fast=1.0 if choice == 'fused' else 9.0)
    return lambda calls, *_, **__: {name: Timing(times[name], 0, 0) for name in calls}


@pytest.mark.slow
@pytest.mark.parametrize('first', ['fused', 'reference'])
def test_a_resumed_run_has_the_blocks_that_it_had(tmp_path, first, monkeypatch):
    """Times decide under ``auto``; they must not decide anew in the middle of a run."""
    monkeypatch.setattr(trial, 'interleave', seconds(first))
    run_digits(tmp_path, **BF16)
    other = 'reference' if first == 'fused' else 'fused'
    monkeypatch.setattr(trial, 'interleave', seconds(other))
    runner = Runner.from_cfg(digits(tmp_path, **{**BF16, 'train_cfg.max_epochs': 2}, resume=True))
    runner.train()
    kind = FusedBasicBlock if first == 'fused' else BasicBlock
    assert {type(block) for block in runner.model.backbone.blocks} == {kind}


@pytest.mark.slow
def test_a_trial_for_another_batch_does_not_count(tmp_path, monkeypatch):
    """What was too slow for 64 images is tried again when the run is resumed with 32."""
    monkeypatch.setattr(trial, 'interleave', seconds('reference'))
    run_digits(tmp_path, **BF16)
    monkeypatch.setattr(trial, 'interleave', seconds('fused'))
    options = {**BF16, 'train_cfg.max_epochs': 2}
    cfg = digits(tmp_path, **options, resume=True)
    cfg.train_dataloader.batch_size = 32
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert {type(block) for block in runner.model.backbone.blocks} == {FusedBasicBlock}


def test_a_slow_form_is_one_line_of_the_log(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(trial, 'interleave', seconds('reference'))
    _, line = run_digits(tmp_path, **BF16)
    assert re.search('reference: fused is .* times as fast .*; fused blocks are not used$', line)
    assert not [warning for warning in recwarn if 'blocks' in str(warning.message)]


def test_an_unknown_form(tmp_path):
    with pytest.raises(
        ValueError, match=r'fuse_tails\.implementation=.fast. is not known; allowed'
    ):
        run_digits(tmp_path, **{'fuse_tails.implementation': 'fast'})
