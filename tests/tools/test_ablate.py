"""Ablations on the digits, as a user runs them, and killed in the middle."""

import csv
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from ..blocks import commands_run_by, words_of
from ..conftest import ROOT

pytestmark = pytest.mark.slow

CONFIGS = ['resnet8_1xb64_digits', 'seresnet8_1xb64_digits']
# Without best checkpoints, for which mmengine writes the last one again while it is validated.
OPTIONS = ['--cfg-options', 'train_cfg.max_epochs=2', 'default_hooks.checkpoint.save_best=None']
ABLATE, REPORT = commands_run_by('docs/report.md', 'test_report_of_an_ablation')


def command(work_dir, *arguments, configs=CONFIGS, seeds=2, options=OPTIONS):
    tool = ['tools/ablate.py', *configs, '--seeds', seeds, '--work-dir', work_dir]
    return [str(part) for part in (*tool, *arguments, *options)]


@pytest.fixture(scope='module')
def finished(tmp_path_factory, run_tool):
    """An ablation that nothing interrupted: its folder and what it printed."""
    work_dir = tmp_path_factory.mktemp('ablation')
    out = [work_dir / f'table.{kind}' for kind in ('md', 'json', 'csv')]
    words = words_of(ABLATE, {'3': 2, 'work_dirs/se': work_dir})
    run = run_tool(*words, '--out', *out, *OPTIONS)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ''
    return work_dir, run.stdout


def read_results(work_dir):
    """All results without their times, which no two runs share."""
    results = {file: json.loads(file.read_text()) for file in work_dir.rglob('result.json')}
    times = [(result.pop('seconds'), result.pop('cpu_seconds')) for result in results.values()]
    assert all(0 < value < 100 for pair in times for value in pair)
    return {file.relative_to(work_dir).as_posix(): result for file, result in results.items()}


def test_table(finished):
    work_dir, printed = finished
    progress, table, legend = printed.split('\n\n')
    assert progress.splitlines() == [
        '[1/4] resnet8_1xb64_digits seed 0: new',
        '[2/4] seresnet8_1xb64_digits seed 0: new',
        '[3/4] resnet8_1xb64_digits seed 1: new',
        '[4/4] seresnet8_1xb64_digits seed 1: new',
    ]
    assert (work_dir / 'table.md').read_text() == f'{table}\n\n{legend}'
    _, _, plain, se = table.splitlines()
    assert plain.startswith('| resnet8_1xb64_digits | 0.075 | 0.000747 | 2 | ')
    assert se.startswith('| seresnet8_1xb64_digits | 0.0758 | 0.000748 | 2 | ')

    rows = json.loads((work_dir / 'table.json').read_text())
    results = read_results(work_dir)
    scores = [
        [results[f'{name}/seed-{seed}/result.json']['validations'][-1] for seed in range(2)]
        for name in CONFIGS
    ]
    for row in rows:
        plain, se = ([score[row['metric']] for score in runs] for runs in scores)
        ours = plain if row['config'] == CONFIGS[0] else se
        assert row['mean'] == pytest.approx(sum(ours) / 2)
        assert row['std'] == pytest.approx(abs(ours[0] - ours[1]) / 2**0.5)
        if ours is se:
            assert row['difference_mean'] == pytest.approx((sum(se) - sum(plain)) / 2)
    assert len(list(csv.reader((work_dir / 'table.csv').open()))) == 1 + len(rows) == 7


def test_report_of_an_ablation(finished, run_tool, tmp_path):
    words = words_of(REPORT, {'work_dirs/se': finished[0]})
    run = run_tool(*words, '--out', tmp_path / 'report.html')
    assert run.returncode == 0, run.stderr
    assert 'seed-1' in (tmp_path / 'report.html').read_text()


def test_result_is_what_the_log_says(finished):
    work_dir, _ = finished
    folder = work_dir / CONFIGS[1] / 'seed-1'
    result = json.loads((folder / 'result.json').read_text())
    assert (result['seed'], result['params'], result['macs']) == (1, 75_793, 747_808)
    (scalars,) = folder.glob('*/vis_data/scalars.json')
    validated = [json.loads(line) for line in scalars.read_text().splitlines()]
    validated = [row for row in validated if 'accuracy/top1' in row]
    for logged, validation in zip(validated, result['validations'], strict=True):
        assert logged['step'] == validation['epoch']
        for metric in ('accuracy/top1', 'accuracy/top5', 'loss/cross_entropy'):
            assert logged[metric] == validation[metric]


def test_a_study_of_the_same_runs(finished, run_tool, tmp_path):
    """Nothing is trained again; the table is that of the file."""
    work_dir, _ = finished
    study, out = tmp_path / 'study.yml', tmp_path / 'study.json'
    plain, se = CONFIGS
    rows = f'rows: [{{name: SE, config: {se}}}]'
    study.write_text(f'tables: [{{title: digits, against: {plain}, {rows}}}]')
    run = run_tool(*command(work_dir, '--out', out, configs=[study]))
    assert run.returncode == 0, run.stderr
    progress, heading, table, summary = run.stdout.split('\n\n')
    assert [line.rpartition(' ')[2] for line in progress.splitlines()] == ['finished'] * 4
    assert heading == '### digits'
    assert f'(`{plain}`) | ' in table
    (row,) = json.loads(out.read_text())
    expected = next(
        row
        for row in json.loads((work_dir / 'table.json').read_text())
        if (row['config'], row['metric']) == (se, 'accuracy/top1')
    )
    for key in ('n', 'mean', 'std', 'difference_mean', 'difference_low', 'params'):
        assert row[key] == pytest.approx(expected[key], abs=1e-2)  # scores are rounded
    assert f'{row["difference_mean"]:+.2f}' in table
    assert summary.startswith('4 runs, 0.0 hours of one core in all; ')


def wait_for(text, file, process):
    """Wait until a process has written a text into a file."""
    while not (file.exists() and text in file.read_text()):
        assert process.poll() is None
        time.sleep(0.02)


def test_killed_and_run_again(finished, run_tool, tmp_path):
    """Killed in the second epoch of the only run that is not finished."""
    work_dir = tmp_path / 'work'
    shutil.copytree(finished[0], work_dir)
    folder = work_dir / CONFIGS[1] / 'seed-0'
    shutil.rmtree(folder)
    made = {file: file.stat().st_mtime_ns for file in work_dir.rglob('result.json')}
    assert len(made) == 3

    process = subprocess.Popen(
        [sys.executable, *command(work_dir)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for('Epoch(val) [1]', folder / 'train.log', process)
        process.kill()
        process.wait()
        with (work_dir / '.lock').open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the run lives and keeps it
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    assert not (folder / 'result.json').exists()

    out = work_dir / 'table.json'
    run = run_tool(*command(work_dir, '--out', out))
    assert run.returncode == 0, run.stderr
    states = [line.rpartition(' ')[2] for line in run.stdout.splitlines()[:4]]
    assert states == ['finished', 'interrupted', 'finished', 'finished']
    assert 'resumed epoch: 1' in (folder / 'train.log').read_text()
    assert all(file.stat().st_mtime_ns == time_ for file, time_ in made.items())
    assert read_results(work_dir) == read_results(finished[0])
    tables = [json.loads(file.read_text()) for file in (out, finished[0] / 'table.json')]
    for row in (row for table in tables for row in table):
        del row['seconds_mean'], row['seconds_std']
    assert tables[0] == tables[1]


def test_run_that_was_killed_in_its_last_validation(finished, run_tool):
    """The last checkpoint is there, its validation is not."""
    work_dir, _ = finished
    file = work_dir / CONFIGS[0] / 'seed-0/result.json'
    expected = json.loads(file.read_text())
    file.unlink()
    run = run_tool(*command(work_dir, configs=CONFIGS[:1], seeds=1))
    assert run.returncode == 0, run.stderr
    assert '[1/1] resnet8_1xb64_digits seed 0: interrupted' in run.stdout
    result = json.loads(file.read_text())
    assert result.pop('cpu_seconds') > expected.pop('cpu_seconds')  # another process has started
    assert result == expected  # the time of training too: it trained no further


def test_terminated_with_its_run(run_tool, tmp_path):
    process = subprocess.Popen(
        [sys.executable, *command(tmp_path)], cwd=ROOT, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for('Epoch(train) [1]', tmp_path / CONFIGS[0] / 'seed-0/train.log', process)
    process.terminate()
    assert process.communicate()[1] == 'terminated\n'
    assert process.returncode == 1
    with (tmp_path / '.lock').open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nothing is left that keeps it


def test_other_options_and_more_seeds(finished, run_tool):
    work_dir, _ = finished
    options = [option.replace('max_epochs=2', 'max_epochs=3') for option in OPTIONS]
    run = run_tool(*command(work_dir, options=options))
    assert run.returncode == 1
    assert run.stdout == ''
    assert run.stderr == (
        f'error: resnet8_1xb64_digits has changed since its runs in {work_dir / CONFIGS[0]} '
        'began: train_cfg.max_epochs was 2, is 3; '
        'allowed: another --work-dir, or to remove that folder\n'
    )
    run = run_tool(*command(work_dir, '--dry-run', seeds=3))
    assert run.returncode == 0, run.stderr
    states, commands = zip(*(line.split(': ') for line in run.stdout.splitlines()), strict=True)
    assert states == ('finished',) * 4 + ('new',) * 2
    assert 'randomness.seed=2' in commands[-1]
    assert not (work_dir / CONFIGS[0] / 'seed-2').exists()


def test_a_failure_stops_no_other_run(run_tool, tmp_path):
    broken = tmp_path / 'broken.py'
    broken.write_text(f"_base_ = '{ROOT}/configs/digits/resnet8_1xb64_digits.py'\n"
                      'model = dict(backbone=dict(depth=9))\n')  # fmt: skip
    run = run_tool(*command(tmp_path / 'work', configs=[broken, CONFIGS[0]], seeds=1))
    assert run.returncode == 1
    log = tmp_path / 'work/broken/seed-0/train.log'
    summary, failure = run.stderr.splitlines()
    assert summary == 'error: 1 of 2 runs failed'
    assert failure.startswith(f'broken seed 0: exit code 1, {log}: error: depth=9 is not known; ')
    assert f'failed: {failure}\n[2/2] resnet8_1xb64_digits seed 0: new\n' in run.stdout
    assert '| broken | - | - | 0 | - | - | - | - | - |' in run.stdout
    assert '| resnet8_1xb64_digits | 0.075 | 0.000747 | 1 | ' in run.stdout


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--seeds', '0'], '--seeds 0: allowed: 1 or more'),
        (['--jobs', '0'], '--jobs=0; allowed: whole numbers from 1'),
        (['--out', 'table.xls'], '--out table.xls: allowed: .md, .json, .csv'),
        (['--confidence', '95'], 'confidence=95.0 is no level; allowed: between 0 and 1'),
    ],
)
def test_a_mistake_is_one_line(run_tool, tmp_path, arguments, message):
    run = run_tool(*command(tmp_path / 'work', *arguments))
    assert run.returncode == 1
    assert run.stderr == f'error: {message}\n'
    assert not (tmp_path / 'work').exists()


@pytest.mark.parametrize('options', [[], ['--dry-run']])
def test_data_that_is_not_there(run_tool, tmp_path, options):
    """It ends before the first run, not with the last; a dry run trains nothing."""
    config = tmp_path / 'missing.py'
    config.write_text(
        f"_base_ = '{ROOT}/configs/scenes/seresnet29_1xb64_scenes.py'\n"
        f"data_root = '{tmp_path}/none'\n"
        'train_dataloader = dict(dataset=dict(data_root=data_root))\n'
    )
    work = tmp_path / 'work'
    run = run_tool(*command(work, *options, configs=[CONFIGS[0], config], seeds=1))
    assert run.returncode == (0 if options else 1), run.stderr
    if not options:
        assert run.stderr.startswith(
            f'error: config missing: {tmp_path}/none/train.npz does not exist; allowed: '
        )
    assert not work.exists()
