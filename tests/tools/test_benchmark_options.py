"""Benchmarks say what is wrong with their arguments before they work, and end with 1 for it."""

import re
import runpy
import sys

import pytest

from .scripts import BENCHMARKS, siblings_importable

EACH = ['infer', 'train', 'second_shape', 'tail', 'scaling']
WRONG = {
    **{f'{tool} --rounds 1': '--rounds 1: allowed: 2 and more' for tool in EACH},
    **{
        f'{tool} --batch-size 0': '--batch-size 0: allowed: 1 and more'
        for tool in EACH
        if tool != 'second_shape'
    },
    'infer --batch-size 4 0': '--batch-size 4 0: allowed: 1 and more',
    'train --size 0': '--size 0: allowed: 1 and more',
    'tail --threads 0': '--threads 0: allowed: 1 and more',
    'infer --batch-size 1 2 --rounds 2 2 2': (
        '--rounds 2 2 2; allowed: one number, or one per batch size'
    ),
    'infer --batch-size 2 1 2': '--batch-size 2 1 2; allowed: each value once',
    'second_shape --only fold fold': '--only fold fold; allowed: each value once',
    'scaling --processes 1 0': '--processes 1 0: allowed: 1 and more',
    'scaling --bucket-mb 0': '--bucket-mb 0.0; allowed: numbers above 0',
    'scaling --step-ms -1': '--step-ms -1.0; allowed: numbers above 0',
    'scaling --cluster jitter=x': '--cluster jitter=x; allowed: a number from 0 to 10',
    'scaling --cluster network=0': '--cluster network=0; allowed: a number above 0',
    'scaling --cluster memory=nan': '--cluster memory=nan; allowed: a number above 0',
    'scaling --cluster attained=2': '--cluster attained=2; allowed: a number from 0.001 to 1',
    'scaling --cluster per_node=1.5': '--cluster per_node=1.5; allowed: a whole number from 1',
    'scaling --cluster network=1 network=2': '--cluster network is given twice; allowed: once',
    'scaling --json /nowhere/a.json': 'folder /nowhere does not exist',
    'int8 --out /nowhere/a.json': 'folder /nowhere does not exist',
    'int8 --size 900': '--size 900; allowed: 2 to 853',
    'startup --batch-size 0': '--batch-size 0: allowed: 1 and more',
    'scaling --processes 1 --only ours': (
        '--processes 1 without 2, on which settings are compared; allowed: with it, or another '
        '--settings-on'
    ),
    'scaling --small --network senet154': (
        '--network senet154 with --small; allowed: without --small'
    ),
    'int8 --rounds-16 1': '--rounds-16 1: allowed: 2 and more',
    'int8 --networks x': "--networks='x' is not known; allowed: SE-ResNet-18, ",
    'safety --iterations 1': '--iterations 1: allowed: 2 and more',
    'data --images 0': '--images 0: allowed: 1 and more',
    'imbalance --seeds 0': '--seeds 0: allowed: 1 and more',
    'startup --rounds 0': '--rounds 0: allowed: 1 and more',
}
# What the benchmark would not read is no argument of it.
UNREAD = {
    'second_shape': ['batch-size', 'threads'],
    'tail': ['network', 'size', 'clock', 'only'],
    'scaling': ['clock'],
}


@pytest.fixture(autouse=True)
def _siblings(monkeypatch):
    with siblings_importable(BENCHMARKS, monkeypatch):
        yield


@pytest.fixture
def end(monkeypatch):
    """Run a benchmark in this process; returns with what it ends."""

    def run(tool, *args):
        path = str(BENCHMARKS / f'{tool}.py')
        monkeypatch.setattr(sys, 'argv', [path, *args])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(path, run_name='__main__')
        return ended.value.code

    return run


@pytest.mark.parametrize('command', WRONG)
def test_wrong_arguments(end, command):
    assert end(*command.split()).startswith(f'error: {WRONG[command]}')


@pytest.mark.parametrize(
    ('tool', 'name'), [(tool, name) for tool, names in UNREAD.items() for name in names]
)
def test_no_argument_is_accepted_and_ignored(end, capsys, tool, name):
    assert end(tool, f'--{name}', 'cpu' if name == 'clock' else '1') == 2
    assert 'unrecognized arguments' in capsys.readouterr().err


@pytest.mark.parametrize('tool', ['infer', 'train', 'second_shape', 'scaling'])
@pytest.mark.slow
def test_unknown_variants(end, tool):
    assert end(tool, '--only', 'unknown').startswith(
        "error: --only='unknown' is not known; allowed"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    'stored', ['[1', '[]', '{"of": [1], "rows": []}', '{"of": {"size": 2}, "rows": []}']
)
def test_a_file_of_other_rows_is_refused(end, tmp_path, stored):
    """In the place of being printed as if it were of this run."""
    out = tmp_path / 'a.json'
    out.write_text(stored)
    message = end('int8', '--out', str(out), '--rounds', '2')
    assert re.match(f'error: --out {out} (is no file|has rows of rounds=None, not 2)', message)
    assert out.read_text() == stored


@pytest.mark.slow
def test_a_failed_row_is_an_error(run_tool):
    """A norm has no statistics of one position."""
    row = 'reference fp32 nhwc'
    arguments = ['--batch-size', 1, '--size', 32, '--rounds', 2, '--only', row]
    run = run_tool('tools/benchmarks/train.py', *arguments)
    assert run.returncode == 1, run.stderr
    assert f'| {row} | failed: ValueError: Expected more than 1 value per channel' in run.stdout
    assert run.stderr.splitlines()[-1] == f'failed: {row}'


@pytest.mark.slow
def test_rows_of_other_networks_are_in_brackets():
    variants = runpy.run_path(str(BENCHMARKS / 'infer.py'))['make_variants']('seresnet50')
    assert '(timm legacy_seresnet50 fp32)' in variants
    for name, variant in variants.items():
        brackets = (name[0] + name[-1], name.count('(')) == ('()', 1)
        assert brackets == (not variant.row.form), name
