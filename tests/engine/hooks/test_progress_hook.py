"""What a run shows: table, bars, lines with units, the result and the next commands."""

import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine import Config
from mmengine.hooks import Hook

from senet_mm.engine import Runner
from senet_mm.engine.hooks.progress_hook import ProgressHook, count_images, count_validations
from senet_mm.engine.log_processor import add_units
from senet_mm.engine.loops import EpochBasedTrainLoop, IterBasedTrainLoop
from senet_mm.engine.summary import format_command, list_next, name_python
from senet_mm.models import ImageClassifier
from senet_mm.utils import progress_display
from senet_mm.utils.project import PROJECT

from ...conftest import ROOT
from ...utils.test_progress import plain, run_in_terminal
from ..test_runner import digits

DIGITS = 'configs/digits/seresnet8_1xb64_digits.py'
TRAIN = """
import runpy, sys
sys.argv = ['tools/train.py', '{config}', '--work-dir', '{folder}', *{more}]
runpy.run_path('{root}/tools/train.py', run_name='__main__')
"""


def train_in_terminal(folder, *more, columns=80, **env):
    more = [*more, '--cfg-options', 'train_cfg.max_epochs=2', 'randomness.seed=0']
    source = TRAIN.format(config=ROOT / DIGITS, folder=folder, more=more, root=ROOT)
    text, code = run_in_terminal(source, columns, **env)
    return '\n'.join(plain(text)), code


@pytest.fixture(scope='module')
def shown(tmp_path_factory):
    """A training in a terminal, in a folder with a blank, and the folder."""
    folder = tmp_path_factory.mktemp('a run')
    return *train_in_terminal(folder), folder


pytestmark = pytest.mark.slow


def test_a_terminal_has_bars(shown):
    text, code, _ = shown
    assert code == 0
    assert re.search(r'starting +━', text)
    assert re.search(r'training +[━╸╺]+ \d+/38 iterations', text)
    assert re.search(r'epoch 1/2 +[━╸╺]+ \d+/19 iterations', text)
    assert re.search(r'validation +[━╸╺]+ \d/3', text)
    assert re.search(r'loss \d\S*  lr \d\S*  [\d,]+ images/s  data wait \d+ %', text)
    assert 'best top1 ' in text


def test_the_start_is_one_table(shown):
    text, *_ = shown
    rows = dict(re.findall(r'^  ([A-Za-z]+) +(\S.*)$', text, re.MULTILINE))
    names = [
        'model',
        'FLOPs',
        'layers',
        'data',
        'batch',
        'recipe',
        'precision',
        'device',
        'seed',
        'output',
    ]
    assert [*rows][: len(names)] == names
    assert rows['model'] == 'ResNet, 75,793 parameters, 0.75 MFLOPs for an image of 1x8x8'
    assert rows['layers'] == 'SE_2_1: 1 x SELayer at the standard position'
    assert rows['data'] == '1,257 images in 10 classes to train, 540 images to validate'
    assert rows['batch'] == '64 x 1 process, 19 iterations per epoch'
    assert rows['recipe'] == '2 epochs, SGD, lr 0.1, CosineAnnealingLR'
    assert (rows['precision'], rows['seed']) == ('float32', '0')


def test_the_last_lines_say_what_came_out(shown, run_tool):
    text, _, folder = shown
    ended = text[text.index('the training is complete: 2 epochs') :].replace('\n', '\0')
    lines = [line.strip() for line in ended.split('\0') if line.strip()]
    # A terminal of 80 columns cuts no line: it is the terminal that turns it.
    best = re.fullmatch(r'best  accuracy/top1 \d\d\.\d\d % at epoch [12]: (.+)', lines[1])
    assert best[1].startswith(str(folder))
    commands = [line.removeprefix('next  ') for line in lines if line.startswith('next  ')]
    python, *command = shlex.split(commands[0])
    assert command[0] == 'tools/test.py'
    prefix = subprocess.check_output([python, '-c', 'import sys; print(sys.prefix)'], text=True)
    assert prefix.strip() == sys.prefix
    tested = run_tool(*command, '--work-dir', folder / 'test')
    assert tested.returncode == 0, tested.stderr
    assert 'accuracy/top1: ' in tested.stdout


@pytest.mark.parametrize('width', [80, 120])
def test_the_captures_of_the_page_are_those_of_today(shown, width):
    """The same rows, and the same kinds of lines and commands at the end."""
    page = (ROOT / 'docs/runs.md').read_text()
    captured = page.partition(f'<!-- table: run-{width} -->')[2].partition('<!-- end -->')[0]
    assert table_of(captured) == table_of(shown[0]) != []
    ends = (text.rpartition('the training is complete')[2] for text in (captured, shown[0]))
    then, now = (re.findall(r'^  best|^  next|tools/\w+\.py', end, re.M) for end in ends)
    assert then == now != []


def table_of(text):
    """The lines of the table at the start, but for what each run and machine has of its own."""
    table = re.search(r'training of seresnet8_1xb64_digits\n(.*?)^  output', text, re.S | re.M)
    own = '  recipe', '  device', '  seed'
    return [line for line in table[1].splitlines() if not line.startswith(own)] if table else []


def test_a_file_has_plain_lines_with_units(shown):
    _, _, folder = shown
    (file,) = folder.glob('*/*.log')
    log = file.read_text()
    assert not re.search(r'[\x00-\x08\x0b-\x1f\x7f]', log)
    assert '━' not in log
    numbers = r'time: \d\.\d+ s  data_time: \d\.\d+ s  (memory: \d+ MiB  )?loss: \d+\.\d+  '
    assert re.search(rf'Epoch\(train\) +\[1\]\[19/19\] .*{numbers}[\d,]+ images/s\n', log)
    assert re.search(r'accuracy/top1: \d+\.\d+ %', log)


def test_quiet_leaves_the_result_and_no_weight_differs(shown, tmp_path):
    text, code = train_in_terminal(tmp_path, '--quiet')
    assert code == 0
    assert '━' not in text
    assert 'Epoch(train)' not in text
    assert 'best  accuracy/top1 ' in text
    assert 'Epoch(train)' in next(tmp_path.glob('*/*.log')).read_text()
    states = [
        torch.load(folder / 'epoch_2.pth', weights_only=False)['state_dict']
        for folder in (shown[2], tmp_path)
    ]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_rank_1_shows_nothing(tmp_path):
    text, _ = train_in_terminal(tmp_path, RANK='1')
    assert '━' not in text


def test_a_complete_run_says_so(shown):
    _, _, folder = shown
    text, code = train_in_terminal(folder, '--resume')
    assert code == 0
    assert 'nothing is left to train: 2 of 2 epochs' in text
    assert 'best  accuracy/top1 ' in text


@pytest.mark.parametrize(('on_path', 'named'), [(True, 'python'), (False, sys.executable)])
def test_commands_name_the_interpreter_that_runs(on_path, named, monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(Path(sys.executable).parent if on_path else tmp_path))
    monkeypatch.chdir(tmp_path)
    assert name_python() == named


HOOK = """
import os, signal
from mmengine.hooks import Hook
from senet_mm.registry import HOOKS

@HOOKS.register_module()
class Ending(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 3:
            {end}
"""


@pytest.mark.parametrize(
    ('end', 'code', 'last'),
    [
        ("raise RuntimeError('broken')", 1, 'error: broken'),
        ('os.kill(os.getpid(), signal.SIGTERM)', 128 + signal.SIGTERM, None),
        ('os.kill(os.getpid(), signal.SIGINT)', 128 + signal.SIGINT, None),
    ],
)
def test_an_end_leaves_the_terminal_in_order(tmp_path, end, code, last):
    (tmp_path / 'ending.py').write_text(HOOK.format(end=end))
    (tmp_path / 'config.py').write_text(
        f"_base_ = '{ROOT / DIGITS}'\ncustom_imports = dict(imports=['ending'])\n"
        "custom_hooks = [dict(type='Ending')]\ntrain_cfg = dict(max_epochs=1)\n"
    )
    source = TRAIN.format(
        config=tmp_path / 'config.py', folder=tmp_path / 'run', more=[], root=ROOT
    )
    text, ended = run_in_terminal(source)
    lines = plain(text)
    assert ended == code
    assert '\x1b[?25l' not in text
    assert '━' not in ''.join(lines[-3:])
    if last:
        assert lines[-2:] == [last, '']


class Slow(Hook):
    """A step that takes longer than it takes to notice a silence."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 21:
            time.sleep(2.5)


def test_a_silent_run_says_in_a_pipe_where_it_is(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(progress_display, 'SILENCE', 0.0)
    monkeypatch.setattr(progress_display, 'INTERVAL', 0.0)
    runner = Runner.from_cfg(digits(tmp_path, **{'train_cfg.max_epochs': 2}))
    runner.register_hook(Slow())
    runner.train()
    err = capfd.readouterr().err
    assert re.search(r'training: 2\d/38 iterations, \S+( left)?; epoch 2/2: \d+/19 iterations', err)


@pytest.mark.parametrize(
    ('batch', 'number'), [({'inputs': [1, 2, 3]}, 3), ({'inputs': 3}, 0), ({}, 0), ([1], 0)]
)
def test_images_of_a_batch_are_counted(batch, number):
    assert count_images(batch) == number


def test_units_stand_behind_numbers():
    line = 'lr: 1.0e-01  eta: 0:00:01  time: 0.1000  data_time: 0.0200  memory: 512  loss: 2.2'
    expected = 'time: 0.1000 s  data_time: 0.0200 s  memory: 512 MiB  loss: 2.2'
    assert add_units(line).endswith(expected)
    assert add_units('single-label/f1-score: 90.1  images_per_s: 2116.2039') == (
        'single-label/f1-score: 90.1 %  2,116 images/s'
    )


def test_commands_are_those_of_the_place(monkeypatch, tmp_path):
    monkeypatch.chdir(PROJECT)
    monkeypatch.setenv('PATH', str(Path(sys.executable).parent))
    assert format_command('test', 'a b') == "python tools/test.py 'a b'"
    monkeypatch.chdir(tmp_path)
    assert format_command('demo', 'x') == 'python -m senet_mm demo x'


def make_loop(kind, done, end, begin, interval):
    """A loop within an iteration, as far as validations are counted."""
    loop = object.__new__(kind)
    loop.val_begin, loop.val_interval = begin, interval
    loop._epoch = loop._iter = done
    loop._max_epochs = loop._max_iters = end
    return loop


@pytest.mark.parametrize('kind', [EpochBasedTrainLoop, IterBasedTrainLoop])
@pytest.mark.parametrize('begin', [1, 4])
@pytest.mark.parametrize('interval', [1, 3])
@pytest.mark.parametrize('end', [6, 7])
@pytest.mark.parametrize('done', [0, 2, 5])
def test_validations_to_come(kind, done, end, begin, interval):
    due = [s for s in range(done + 1, end + 1) if s >= begin and (s % interval == 0 or s == end)]
    assert count_validations(make_loop(kind, done, end, begin, interval)) == len(due)


@pytest.mark.parametrize(('measured', 'left'), [(12.0, 4 * 2.0 + 3 * 12.0), (None, 8.0 + 3 * 50)])
def test_the_time_left_has_the_validations(measured, left):
    hook = ProgressHook()
    hook._validation, hook._rate = measured, 20.0
    loader = SimpleNamespace(sampler=range(500))
    loop = make_loop(IterBasedTrainLoop, 1, 6, 1, 2)
    runner = SimpleNamespace(train_loop=loop, val_loop=loop, val_dataloader=loader, world_size=2)
    assert hook._measure_left(runner, 2.0) == left


def test_the_demo_of_a_layer_of_ones_own_needs_the_config(tmp_path):
    path = tmp_path / 'own.py'
    path.write_text('')
    cfg = Config(dict(custom_imports=dict(imports=['own_layer'])), filename=str(path))
    model = object.__new__(ImageClassifier)
    runner = SimpleNamespace(
        cfg=cfg, work_dir=str(tmp_path), bare_model=model, _test_dataloader=None
    )
    *_, demo = list_next(runner, 'best.pth')
    assert shlex.split(demo)[2:] == ['best.pth', '--config', str(path)]
