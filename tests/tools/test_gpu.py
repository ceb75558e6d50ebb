"""The GPU benchmark on a machine without a GPU: the plan in small, and what fails in it."""

import configparser
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import requires, version
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ..blocks import commands_run_by, words_of
from ..conftest import ROOT, load_tool
from .scripts import BENCHMARKS, siblings_importable

GPU = BENCHMARKS / 'gpu'
# What the installation of the wheels may take.
WHEELS_SECONDS = 20


@pytest.fixture(autouse=True)
def _siblings(monkeypatch):
    with siblings_importable(GPU, monkeypatch):
        yield


def load(name):
    return load_tool(f'tools/benchmarks/gpu/{name}.py')


def test_the_plan_takes_under_eight_minutes_and_has_every_row():
    plan = load('plan').PLAN
    assert sum(stage.seconds for stage in plan) + WHEELS_SECONDS < 480
    for stage in plan:
        assert (GPU / stage.script).exists()
    for script in ('steps.py', 'inference.py', 'machine.py', 'augmentation.py'):
        stages = [stage for stage in plan if stage.script == script]
        full, small = (list(load(script[:-3]).rows(form)) for form in (False, True))
        assert full == small
        assert stages
        if stages[0].rows:
            assert sorted(row for stage in stages for row in stage.rows) == sorted(full)


def read_requirements(name):
    lines = (GPU / name).read_text().splitlines()
    found = [Requirement(line) for line in lines if not line.startswith('#')]
    return {canonicalize_name(one.name): one for one in found}


def pinned(requirement):
    """The version of NAME==VERSION; None without one."""
    return next((one.version for one in requirement.specifier), None)


def test_the_wheels_are_all_that_the_bare_machine_lacks():
    """From the requirements of the project, and of what is brought along."""
    wheels, there = read_requirements('wheels.txt'), read_requirements('there.txt')
    assert not wheels.keys() & there.keys()
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    lines = config['options']['install_requires'].splitlines()
    open_ones = [Requirement(line) for line in lines if line and not line.startswith('#')]
    seen = set()
    while open_ones:
        wanted = open_ones.pop()
        if wanted.marker and not wanted.marker.evaluate({'python_version': '3.12', 'extra': ''}):
            continue
        name = canonicalize_name(wanted.name)
        seen.add(name)
        assert name in wheels or name in there, wanted
        exact = pinned(wheels.get(name) or there[name])
        assert exact is None or exact in wanted.specifier, wanted
        if name in wheels and version(name) == exact:
            open_ones += [Requirement(line) for line in requires(name) or ()]
    assert seen >= wheels.keys()


class FakeStream:
    def __init__(self, log):
        self.wait_stream = lambda other: log.append('waits')


@pytest.fixture
def fake_cuda(monkeypatch):
    """CUDA as far as graphs use it; logs what is called."""
    log, streams = [], [FakeStream([])]

    @contextlib.contextmanager
    def on(stream):
        streams.append(stream)
        yield
        streams.pop()

    @contextlib.contextmanager
    def graph(graph, stream):
        assert stream is streams[-1] is not streams[0], 'the default stream cannot be captured'
        log.append('begin')
        yield
        log.append('end')

    fakes = dict(
        is_available=lambda: True,
        Stream=lambda: FakeStream(log),
        stream=on,
        current_stream=lambda: streams[-1],
        synchronize=lambda: log.append('synchronize'),
        CUDAGraph=lambda: SimpleNamespace(replay=lambda: log.append('replay')),
        graph=graph,
    )
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    return log


def test_a_graph_is_captured_after_warm_up_on_the_stream_of_the_warm_up(fake_cuda):
    graphs = load('graphs')
    with graphs.one_stream():
        replay = graphs.capture(lambda: fake_cuda.append('call'))
    replay()
    called = ['call'] * graphs.WARMUP
    steps = ['waits', *called, 'synchronize', 'begin', 'call', 'end']
    assert fake_cuda[: len(steps)] == steps
    assert fake_cuda[-1] == 'replay'


def test_a_graph_that_fails_does_not_cost_the_other_figures(fake_cuda):
    graphs = load('graphs')
    with graphs.one_stream():
        found = graphs.time_graph(lambda: 1 / 0, lambda call: dict(ms=1), {})
        assert found == {'error': 'CUDA graph: ZeroDivisionError: division by zero'}
        found = graphs.time_graph(lambda: 1, lambda call: dict(ms=1), {})
        assert found == {'graph_ms': 1, 'graph_held': 0}


def test_a_graph_that_does_nothing_is_told():
    judge = load('steps').judge
    assert judge(7.0, 5.0, 4.0) == judge(7.0, 5.0, None) == {}
    for losses in ((7.0, float('nan'), 4.0), (7.0, 5.0, 5.0), (7.0, 5.0, float('nan'))):
        assert 'the loss went from' in judge(*losses)['error']


STAGE = """
import os, sys, time
sys.path.insert(0, {folder!r})
from parts import run_stage
from stage_options import parse_stage_args

def fail():
    raise ValueError('no such kernel')

def end():
    os._exit(3)

run_stage(parse_stage_args('A stage'), lambda small: dict(
    good=lambda: dict(ms=1.5), failing=fail, wrong=lambda: dict(ms=2.5, error='NaN'),
    ending=end, behind=lambda: dict(ms=3.5), hanging=lambda: time.sleep(600), never=dict,
))
"""


@pytest.mark.slow
def test_what_fails_is_reported_and_costs_nothing_else(tmp_path):
    """An exception, a wrong figure, a process that ends, one that hangs, a script that is not."""
    (tmp_path / 'stage.py').write_text(STAGE.format(folder=str(GPU)))
    tool, stage = load('run'), load('plan').Stage
    run = tool.Run(tmp_path / 'out', small=True)
    run.stage(stage('one', 'One', 10, str(tmp_path / 'stage.py')), time.monotonic() + 45)
    run.stage(stage('two', 'Two', 10, str(tmp_path / 'none.py')), time.monotonic() + 20)
    page = (tmp_path / 'out/gpu.md').read_text()
    one, two = json.loads((tmp_path / 'out/gpu.json').read_text())['stages'].values()
    assert (one['status'], two['status']) == ('out of time', 'failed')
    assert {name: (part['status'], part.get('error')) for name, part in one['parts'].items()} == {
        'good': ('ok', None),
        'failing': ('failed', 'ValueError: no such kernel'),
        'wrong': ('failed', 'NaN'),
        'ending': ('failed', 'the process ended'),
        'behind': ('ok', None),
        'hanging': ('failed', 'out of time in it'),
        'never': ('failed', 'out of time before it'),
    }
    assert one['parts']['behind']['ms'] == 3.5
    for words in ('| good | 1.5 |', 'one, wrong: failed: NaN', 'none.py is not there'):
        assert words in page


def test_goals_are_computed():
    goals = load('goals')
    parts = {'timm': 4000, 'lean': 7000, 'plain fused': 7350}
    compiled = {'algebra compiled': 7200, 'timm compiled': 6600}
    stages = {
        'machine': dict(parts=dict(machine=dict(device='NVIDIA H100 80GB HBM3'))),
        'steps': dict(parts={name: dict(rate=rate) for name, rate in parts.items()}),
        'compiled': dict(
            parts={n: dict(rate=rate / 2, graph_rate=rate) for n, rate in compiled.items()}
        ),
    }
    found = goals.get_goals(dict(small=False, stages=stages))
    assert [goal.value for goal in found[:4]] == pytest.approx(
        [7200 / 7157, 1.8, 7200 / 6600, 0.020833], 1e-4
    )
    assert [goal.met for goal in found[:4]] == [True, True, False, True]
    assert [goal.met for goal in goals.get_goals(dict(small=False, stages={}))] == [None] * 7
    del stages['machine']  # the driver knows the device, too
    found = goals.get_goals(dict(small=False, stages=stages, device='NVIDIA H200'))
    assert found[0].value == pytest.approx(7200 / 7945)


def test_the_small_plan(run_tool, tmp_path):
    """It takes 90 seconds of one core, and as much longer as other work on it takes.

    The commands of the page that need a GPU are read by ``tests/test_commands.py``.
    """
    commands = commands_run_by('docs/gpu.md', 'test_the_small_plan')
    [small] = (command for command in commands if '--small' in command)
    [again] = (command for command in commands if '--render' in command)
    plan = load('plan').PLAN
    run = subprocess.run(
        words_of(small, {'OUT': tmp_path}),
        cwd=ROOT,
        env={**os.environ, 'PYTHON': sys.executable},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    results = json.loads((tmp_path / 'gpu.json').read_text())
    assert list(results['stages']) == [stage.name for stage in plan]
    for stage in plan:
        found = results['stages'][stage.name]
        assert found['status'] == 'ok', found
        assert list(found['parts']) == found['planned']
        if stage.rows:
            assert tuple(found['planned']) == stage.rows
    absent = [
        name
        for stage in results['stages'].values()
        for name, part in stage['parts'].items()
        if part['status'] == 'absent'
    ]
    assert all(name.startswith('TensorRT') for name in absent), absent
    assert not (tmp_path / 'tiles.json').exists()  # tiles are those of a GPU
    page = run_tool(*words_of(again, {'OUT/gpu.json': tmp_path / 'gpu.json'})).stdout
    assert page == (tmp_path / 'gpu.md').read_text()
    for stage in plan:
        assert f'## {stage.title}\n' in page


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((), 'either OUT or --render FILE'),
        (('out', '--stages', 'kernel'), "--stages='kernel'"),
    ],
)
def test_wrong_arguments(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['run.py', *arguments])
    with pytest.raises(SystemExit) as ended:
        load('run').parse_args()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('ends', [False, True])
def test_after_a_failed_capture_a_stage_has_no_more_graphs(ends, tmp_path):
    """Also where the capture ended the process: what was measured before it stays."""
    graphs = load('graphs')
    parts = sys.modules['parts']

    def fail():
        raise SystemExit(3) if ends else RuntimeError('pool')

    def measure():
        before = dict(ms=1.5)
        return before | graphs.time_graph(fail, lambda call: call() or {}, before)

    run = parts.Parts(tmp_path / 'a.json', ['one', 'two'])
    with pytest.raises(SystemExit) if ends else contextlib.nullcontext():
        run.run('one', measure)
    run = parts.Parts(tmp_path / 'a.json', ['one', 'two'])
    run.run('two', measure)
    one, two = json.loads((tmp_path / 'a.json').read_text())['parts'].values()
    assert one['error'] == f'CUDA graph: {"the process ended" if ends else "RuntimeError: pool"}'
    assert (one['status'], one['ms'], two['status'], two['ms']) == ('failed', 1.5, 'ok', 1.5)
    assert two['graph'] == 'left out: one has failed'


def test_each_form_has_its_tax_and_none_is_met():
    goals = load('goals')
    rates = {'reference': 50, 'plain reference': 60, 'fused': 70, 'plain fused': 70}
    stages = dict(steps=dict(parts={name: dict(rate=rate) for name, rate in rates.items()}))
    found = goals.get_goals(dict(small=False, stages=stages))[4:]
    values = [(goal.value, goal.met) for goal in found]
    assert values == [(pytest.approx(0.2), False), (0.0, True), (None, None)]


@pytest.mark.parametrize(
    ('loss', 'status'), [(7.001, 'ok'), (7.1, 'failed'), (0 * 1e999, 'failed')]
)
def test_equal_networks_must_have_equal_losses(loss, status):
    part = dict(status='ok', first_loss=loss)
    stages = dict(
        steps=dict(parts=dict(reference=dict(first_loss=7.0))),
        compiled=dict(parts={'algebra compiled': part}),
    )
    load('losses').compare_losses(stages, 'compiled')
    assert part['status'] == status
    assert 'loss_differs' in part


LOG = {
    'fused blocks': 'blocks: fused: 1.2 times as fast',
    'torchrun, SyncBN, compiled': 'blocks: algebra: x\ncompile: 3 regions, each\nsync_bn: 9 norms',
}
REFUSED = 'blocks: reference: too slow; fused blocks are not used'


def test_a_run_must_say_that_it_used_its_form():
    check = load('digits').check_log
    check('plain blocks', '', False)
    for name, log in LOG.items():
        check(name, log, False)
        for line in log.splitlines():
            with pytest.raises(RuntimeError, match='the log does not say'):
                check(name, log.replace(line, REFUSED), False)


HANGING = """
import os, subprocess, sys
child = subprocess.Popen(
    [sys.executable, {bound!r}, str(os.getpid()), '-c', 'import time; time.sleep(60)']
)
open({pids!r}, 'w').write(f'{{os.getpid()}} {{child.pid}} .')
child.wait()
"""
DRIVER = """
import signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup around the tests ignores it
sys.path.insert(0, {folder!r})
from pathlib import Path
import run
from plan import Stage
run.exit_on_signals()
run.Run(Path({out!r}), True).stage(Stage('one', 'One', 10, {stage!r}), time.monotonic() + 60)
"""


def is_alive(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_driver_that_is_killed_leaves_nothing_behind(number, tmp_path):
    pids, stage = tmp_path / 'pids', tmp_path / 'stage.py'
    stage.write_text(HANGING.format(bound=str(GPU / 'bound.py'), pids=str(pids)))
    code = DRIVER.format(folder=str(GPU), out=str(tmp_path / 'out'), stage=str(stage))
    driver = subprocess.Popen([sys.executable, '-c', code])
    wait_for(lambda: pids.exists() and pids.read_text().endswith('.'))
    driver.send_signal(number)
    assert driver.wait() == (-number if number == signal.SIGKILL else 128 + number)
    for pid in pids.read_text().split()[:2]:
        wait_for(lambda pid=pid: not is_alive(pid))


@pytest.mark.parametrize(
    ('status', 'optional', 'kind'),
    [(None, True, 'absent'), (None, False, 'failed'), (1, True, 'failed')],
)
def test_optional_rows_may_lack_time(status, optional, kind):
    content = dict(planned=['a', 'b'], parts=dict(a=dict(status='started', ms=2)))
    found = load('run').settle(content, status, optional)
    assert [part['status'] for part in found.values()] == [kind] * 2
    assert found['a']['ms'] == 2


def make_result(status, run):
    return dict(
        title='One', status=status, seconds=9, seconds_allowed=9, parts={}, tail=[], run=run
    )


def test_the_page_names_a_stage_that_hung_without_output():
    results = dict(small=True, command='', stages=dict(one=make_result('out of time', 'x')))
    assert 'one (out of time) ended with' in load('page').render(results)


def test_earlier_stages_are_kept_if_they_are_of_this_commit_and_form(tmp_path):
    tool = load('run')
    first = tool.Run(tmp_path, True)
    first.results['stages']['machine'] = make_result('ok', 'before')
    first.write()
    second = tool.Run(tmp_path, True)
    second.stage(tool.Stage('digits', 'Digits', 1, 'none.py'), time.monotonic())
    assert list(json.loads((tmp_path / 'gpu.json').read_text())['stages']) == ['machine', 'digits']
    assert '| before |' in (tmp_path / 'gpu.md').read_text()
    assert tool.Run(tmp_path, False, anew=True).results['stages'] == {}
    with pytest.raises(tool.WrongUseError, match='another folder, or --anew'):
        tool.Run(tmp_path, False)


def test_damaged_tiles_do_not_reach_the_package(tmp_path):
    tool, plan = load('run'), load('plan').PLAN
    run = tool.Run(tmp_path / 'out', True)
    (run.work / 'tiles.json').write_text('{"9.0": {"moments": {"channels_last": {}}}}')
    kernels = next(stage for stage in plan if stage.brings)
    run.stage(kernels._replace(script='none.py'), time.monotonic())
    assert not (tmp_path / 'out/tiles.json').exists()
    assert 'tiles.json is damaged' in run.results['stages']['kernels']['tail'][0]


@pytest.mark.parametrize('content', [None, '', '{"sma', '[]', '{"small": true}', '{"stages": 3}'])
def test_a_wrong_file_to_render(content, tmp_path):
    tool, file = load('run'), tmp_path / 'gpu.json'
    if content is not None:
        file.write_text(content)
    with pytest.raises(tool.WrongUseError, match=r'gpu\.json'):
        tool.read_results(file)


def test_a_file_is_no_folder_for_results(tmp_path):
    tool, file = load('run'), tmp_path / 'file'
    file.touch()
    for out in (file, file / 'below'):
        with pytest.raises(tool.WrongUseError, match='allowed: a folder'):
            tool.Run(out, True)


@pytest.mark.slow
def test_mistakes_end_with_one_line(tmp_path):
    """A machine whose GPU cannot be used, and a folder without wheels."""
    env = {**os.environ, 'PYTHON': sys.executable, 'CUDA_VISIBLE_DEVICES': ''}
    for options, message in (((), 'no GPU'), (('--wheels', tmp_path / 'none'), 'has no wheels')):
        command = ['bash', ROOT / 'tools/benchmarks/gpu.sh', tmp_path / 'out', *options]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        [line] = done.stderr.splitlines()
        assert line.startswith('error: ')
        assert message in line
    assert not (tmp_path / 'out').exists()
