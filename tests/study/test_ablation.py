"""What is checked before a run begins; the runs themselves are in tests/tools/test_ablate.py."""

import json
import signal
import sys
from pathlib import Path

import pytest

from senet_mm.study.ablation import (
    Run,
    end_all,
    locked_for_children,
    plan,
    resolve,
    train_side_by_side,
    write_configs,
)

DIGITS = 'seresnet8_1xb64_digits'
NAMES = [
    DIGITS, 'senet154_8xb32_in1k', 'seresnet50_8xb32_in1k', 'se-bn-inception-caffe_8xb32_in1k',
    'resnet20_8xb16_cifar10',
]  # fmt: skip


def test_runs_are_ordered_by_seed(tmp_path):
    runs = plan(resolve(['resnet8_1xb64_digits', DIGITS], {}), 2, tmp_path)
    assert [(run.config, run.seed) for run in runs] == [
        ('resnet8_1xb64_digits', 0), (DIGITS, 0), ('resnet8_1xb64_digits', 1), (DIGITS, 1),
    ]  # fmt: skip
    assert runs[3].folder == tmp_path / DIGITS / 'seed-1'
    assert runs[1].config_hash == runs[3].config_hash != runs[2].config_hash
    assert not any(tmp_path.iterdir())


def test_a_frozen_config_is_the_same_config(tmp_path):
    configs = resolve(NAMES, {'train_cfg.val_interval': 2})
    write_configs(configs, tmp_path)
    assert len(plan(configs, 1, tmp_path)) == len(NAMES)


def test_a_changed_config_is_refused(tmp_path):
    write_configs(resolve([DIGITS], {}), tmp_path)
    options = {'optim_wrapper.optimizer.lr': 0.2, 'val_evaluator.0.topk': (1, 2)}
    with pytest.raises(ValueError, match=r'optim_wrapper.optimizer.lr was 0.1, is 0.2 and 1 more'):
        plan(resolve([DIGITS], options), 1, tmp_path)
    with pytest.raises(ValueError, match=r'find_unused_parameters was not there, is True; allowed'):
        plan(resolve([DIGITS], {'find_unused_parameters': True}), 1, tmp_path)


def test_a_foreign_result_is_refused(tmp_path):
    (run,) = plan(resolve([DIGITS], {}), 1, tmp_path)
    run.folder.mkdir(parents=True)
    result = run.folder / 'result.json'
    result.write_text(json.dumps({'config_hash': run.config_hash}))
    assert run.get_state() == 'finished'
    result.write_text(json.dumps({'config_hash': 'sha256:0'}))
    with pytest.raises(ValueError, match=r'result.json is the result of another config; allowed'):
        plan(resolve([DIGITS], {}), 1, tmp_path)


def test_an_interrupted_run_is_resumed(tmp_path):
    (run,) = plan(resolve([DIGITS], {}), 1, tmp_path)
    assert (run.get_state(), '--resume' in run.get_command()) == ('new', False)
    run.folder.mkdir(parents=True)
    (run.folder / 'last_checkpoint').write_text('epoch_1.pth')
    assert (run.get_state(), '--resume' in run.get_command()) == ('interrupted', True)


@pytest.mark.parametrize(
    ('names', 'options', 'message'),
    [
        ([DIGITS, DIGITS], {}, f'two configs are called {DIGITS}; allowed: one of each name'),
        ([DIGITS], {'randomness.seed': 1}, 'randomness.seed is set by the ablation itself'),
        ([DIGITS], {'trian_cfg.max_epochs': 1}, "no key 'trian_cfg'; did you mean 'train_cfg'?"),
    ],
)
def test_options_that_are_refused(names, options, message):
    with pytest.raises(ValueError, match=message.replace('?', r'\?')):
        resolve(names, options)


def test_one_process_at_a_time(tmp_path):
    with (
        locked_for_children(tmp_path / 'new'),
        pytest.raises(ValueError, match='a run is at work in'),
        locked_for_children(tmp_path / 'new'),
    ):
        pass
    with locked_for_children(tmp_path / 'new') as descriptor:
        assert descriptor > 2
    assert [path.name for path in Path(tmp_path / 'new').iterdir()] == ['.lock']


# Waits for the file `go` in its folder, or for ever; ends with its number of letters.
WAITING = """
import pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell in the background ignores it
folder = pathlib.Path(sys.argv[1])
(folder / 'started').touch()
while not (folder / 'go').exists():
    time.sleep(0.01)
sys.exit(len((folder / 'go').read_text()))
"""


@pytest.fixture
def waiting_runs(tmp_path, monkeypatch):
    """Four runs that end when they are told to; a descriptor for them to hold."""
    monkeypatch.setattr(
        Run, 'get_command', lambda run: [sys.executable, '-c', WAITING, str(run.folder)]
    )
    runs = [Run(name, 0, tmp_path / name, '') for name in 'abcd']
    with locked_for_children(tmp_path) as lock:
        yield runs, lock


def wait_for_start(run):
    while not (run.folder / 'started').exists():
        pass


def test_runs_side_by_side(waiting_runs):
    """Two at a time, in their order; whoever ends first makes room."""
    runs, lock = waiting_runs
    a, b, c, d = runs
    ended = train_side_by_side(runs, 2, lock)
    for run in (a, b):
        run.folder.mkdir()
    (b.folder / 'go').write_text('123')
    assert next(ended) == (b, 3)
    wait_for_start(a)
    assert not c.folder.exists()
    c.folder.mkdir()
    (c.folder / 'go').touch()
    assert next(ended) == (c, 0)
    assert not d.folder.exists()
    for run in (a, d):
        run.folder.mkdir(exist_ok=True)
        (run.folder / 'go').touch()
    assert {run.config for run, _ in ended} == {'a', 'd'}


def test_runs_end_with_the_caller(waiting_runs, monkeypatch):
    runs, lock = waiting_runs
    runs[0].folder.mkdir()
    (runs[0].folder / 'go').touch()
    started, start = [], Run.start
    monkeypatch.setattr(Run, 'start', lambda *args: started.append(start(*args)) or started[-1])
    ended = train_side_by_side(runs, 3, lock)
    assert next(ended) == (runs[0], 0)
    for run in runs[1:3]:
        wait_for_start(run)
    ended.close()
    assert [process.returncode for process in started] == [0, -signal.SIGINT, -signal.SIGINT]


def test_a_process_that_does_not_end_is_killed(tmp_path, monkeypatch):
    deaf = WAITING.replace('SIG_DFL', 'SIG_IGN')
    monkeypatch.setattr(Run, 'get_command', lambda run: [sys.executable, '-c', deaf, str(tmp_path)])
    with locked_for_children(tmp_path) as lock:
        run = Run('a', 0, tmp_path / 'a', '')
        process = run.start(lock)
        while not (tmp_path / 'started').exists():
            pass
        end_all([process], patience=0.1)
    assert process.returncode == -signal.SIGKILL
