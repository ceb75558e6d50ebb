"""The GPU benchmark on a machine without a GPU: the plan in small, and what fails in it."""

import configparser
import contextlib
import json
import os
import subprocess
import sys
import time
from importlib.metadata import requires, version
from types import SimpleNamespace

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ..conftest import ROOT, load_tool

GPU = ROOT / 'tools/benchmarks/gpu'


@pytest.fixture(autouse=True)
def _siblings(monkeypatch):
    """Scripts import from their folder; its modules must not stay for others of their names."""
    monkeypatch.setattr(sys, 'path', [str(GPU), *sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], '__file__', '')).startswith(str(GPU.parent)):
            del sys.modules[name]


def load(name):
    return load_tool(f'tools/benchmarks/gpu/{name}.py')


def test_the_plan_takes_under_eight_minutes_and_has_every_row():
    plan = load('plan').PLAN
    assert sum(stage.seconds for stage in plan) < 480
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
        found = graphs.time_graph(lambda: 1 / 0, lambda call: dict(ms=1))
        assert found == {'error': 'CUDA graph: ZeroDivisionError: division by zero'}
        assert graphs.time_graph(lambda: 1, lambda call: dict(ms=1)) == {'graph_ms': 1}


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
    ending=end, behind=lambda: dict(ms=3.5), hanging=lambda: time.sleep(60), never=dict,
))
"""


@pytest.mark.slow
def test_what_fails_is_reported_and_costs_nothing_else(tmp_path):
    """An exception, a wrong figure, a process that ends, one that hangs, a script that is not."""
    (tmp_path / 'stage.py').write_text(STAGE.format(folder=str(GPU)))
    tool, stage = load('run'), load('plan').Stage
    run = tool.Run(tmp_path / 'out', small=True)
    run.stage(stage('one', 'One', 10, str(tmp_path / 'stage.py')), time.monotonic() + 25)
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
    assert [goal.value for goal in found] == pytest.approx(
        [7200 / 7157, 1.8, 7200 / 6600, 0.020833], 1e-4
    )
    assert [goal.met for goal in found] == [True, True, False, True]
    assert [goal.met for goal in goals.get_goals(dict(small=False, stages={}))] == [None] * 4


def test_the_small_plan(run_tool, tmp_path):
    """It takes 90 seconds of one core, and as much longer as other work on it takes."""
    plan = load('plan').PLAN
    run = subprocess.run(
        ['bash', ROOT / 'tools/benchmarks/gpu.sh', tmp_path, '--small'],
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
    assert json.loads((tmp_path / 'tiles.json').read_text()) == {}
    page = run_tool(GPU / 'run.py', '--render', tmp_path / 'gpu.json').stdout
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
