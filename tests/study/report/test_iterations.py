"""Runs that count iterations, and checkpoints whose names count what the run does not."""

import copy
import json
import shutil

import pytest

from senet_mm.engine import Runner
from senet_mm.engine.summary import describe_end
from senet_mm.study.places import Places
from senet_mm.study.report.charts import make_charts
from senet_mm.study.report.checkpoints import find_checkpoints
from senet_mm.study.report.groups import group_runs
from senet_mm.study.report.reading import read_run

from ...engine.test_runner import digits
from .conftest import write_run

LOOP = dict(by_epoch=False, max_iters=25, val_interval=10, _delete_=True)


def train(folder, **options):
    runner = Runner.from_cfg(digits(folder, **copy.deepcopy(options)))
    runner.train()
    return runner


def steps(run, remarks=None):
    """Of each checkpoint of a run its name and place."""
    found = find_checkpoints(run, Places([run.folder]), [] if remarks is None else remarks)
    return {each.path.name: each.step for each in found if not each.is_best}


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    return folder, train(folder, train_cfg=LOOP)


def test_checkpoints_are_those_of_the_validations_and_the_end(finished):
    folder, runner = finished
    run = read_run(folder)
    assert steps(run) == {'iter_10.pth': 10, 'iter_20.pth': 20, 'iter_25.pth': 25}
    best = run.best('accuracy/top1').step
    assert (folder / f'best_accuracy_top1_iter_{best}.pth').is_file()
    assert f' at iteration {best}: ' in describe_end(runner)


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({'train_cfg': dict(by_epoch=False, max_iters=9, _delete_=True)}, [9]),
        ({'train_cfg': LOOP, 'default_hooks.checkpoint.interval': 2}, [20, 25]),
        ({'train_cfg': LOOP, 'default_hooks.checkpoint.interval': -1}, [25]),
    ],
    ids=['no interval', 'every second', 'the end alone'],
)
def test_the_interval_is_one_of_validations(tmp_path, options, expected):
    """mmengine's loop validates every 1,000 iterations by default."""
    train(tmp_path, **{**options, 'default_hooks.checkpoint.max_keep_ckpts': -1})
    assert list(steps(read_run(tmp_path)).values()) == expected


def test_a_wrong_interval_is_told_as_it_was_given(tmp_path):
    with pytest.raises(ValueError, match=r"interval='2'; allowed: int"):
        train(tmp_path, **{'train_cfg': LOOP, 'default_hooks.checkpoint.interval': '2'})


def test_a_complete_run_is_not_interrupted(finished):
    """Its last iterations are validated and not logged."""
    folder, _ = finished
    run = read_run(folder)
    assert run.training[-1]['iter'] < 25
    assert run.end == (25, 25)
    assert run.remarks == []


@pytest.mark.parametrize(('end', 'told'), [(None, '20 of 25'), (dict(iter=22), '')])
def test_how_far_a_run_went(finished, tmp_path, end, told):
    """To its last validation, or to where it ended early."""
    folder = shutil.copytree(finished[0], tmp_path / 'run')
    [record] = folder.glob('*/run.json')
    record.write_text(json.dumps({**json.loads(record.read_text()), 'ended': end}))
    [scalars] = folder.glob('*/vis_data/scalars.json')
    scalars.write_text(''.join(scalars.read_text().splitlines(keepends=True)[:-1]))
    run = read_run(folder)
    assert run.end == (end['iter'] if end else 20, 25)
    line = f'interrupted or still running: {told} iterations are trained'
    assert run.remarks[:1] == ([line] if told else [])


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (dict(), {'iter_10.pth': 0.53, 'iter_20.pth': 1.05, 'iter_30.pth': 1.58, 'iter_38.pth': 2}),
        (dict(train_cfg=LOOP), {'epoch_1.pth': 25}),
    ],
    ids=['epochs', 'iterations'],
)
def test_names_that_count_otherwise(tmp_path, options, expected):
    saving = {
        'default_hooks.checkpoint.by_epoch': bool(options),
        'default_hooks.checkpoint.interval': 1 if options else 10,
        'default_hooks.checkpoint.max_keep_ckpts': -1,
    }
    train(tmp_path, **saving, **options)
    run, remarks = read_run(tmp_path), []
    assert steps(run, remarks) == expected
    (tmp_path / next(iter(expected))).write_bytes(b'')
    del expected[next(iter(expected))]
    assert steps(run, remarks) == expected
    assert 'is not read: ' in remarks[0]


def test_runs_of_epochs_and_of_iterations_share_an_axis(finished, tmp_path):
    write_run(tmp_path / 'epochs', {'accuracy/top1': 50.0}, {'accuracy/top1': 60.0})
    groups = group_runs([read_run(finished[0]), read_run(tmp_path / 'epochs')])
    charts = {chart.title: chart for chart in make_charts(groups)}
    scores, loss = charts['Validation: accuracy/top1'], charts['Training loss']
    assert {chart.x_label for chart in charts.values()} == {'iteration'}
    assert [line.x for line in scores.lines] == [[10, 20, 25], [7, 14]]
    assert [line.x for line in loss.lines] == [[19], [7, 14]]
    [alone] = make_charts(groups[1:])[0].lines
    assert alone.x == [1, 2]
