"""Benchmarks take turns, each variant in a process of its own; times are not tested."""

import os
import signal

import pytest

from ..conftest import ROOT, load_tool


@pytest.fixture(scope='module')
def turns():
    return load_tool('tools/benchmarks/helpers/turns.py')


def logging(file, name, cases):
    """A maker of functions by case that write their name, case and process to a file."""

    def make():
        def call(case):
            with open(file, 'a') as log:
                log.write(f'{name} {case} {os.getpid()}\n')

        return {case: lambda case=case: call(case) for case in cases}

    return make


@pytest.mark.parametrize('warm', [True, False])
def test_in_turns_in_processes_of_their_own(turns, tmp_path, warm):
    file, rounds = tmp_path / 'log', dict(one=2, two=3)
    makes = {name: logging(file, name, rounds) for name in 'ab'}
    ticks = iter(range(1000))
    results = turns.time_in_turns(
        makes, rounds, lambda call: os.getpid(), warm, clock=lambda: next(ticks)
    )
    lines = [line.split() for line in file.read_text().splitlines()]
    expected = []
    for case, number in rounds.items():
        for _ in range(number):
            expected += [(name, case) for name in 'ab' for _ in range(1 + warm)]
    warmups = [(name, case) for case in rounds for name in 'ab' for _ in range(2)]
    called = [(name, case) for name, case, _ in lines]
    for case, number in rounds.items():
        own = [each for each in called if each[1] == case]
        count = len([each for each in warmups if each[1] == case])
        assert own[-(2 * number * (1 + warm)) :] == [e for e in expected if e[1] == case]
        assert len(own) == 2 * number * (1 + warm) + count
    processes = {name: process for name, _, process in lines}
    assert len({*processes.values(), str(os.getpid())}) == 3
    for name, by_case in results.items():
        for result in by_case.values():
            assert result.timing.median == 1
            assert str(result.measured) == processes[name]


def test_a_failure_is_told_and_the_others_are_measured(turns, tmp_path):
    def broken():
        raise ImportError('no such\nlibrary')

    def killed():
        return dict(one=lambda: os.kill(os.getpid(), signal.SIGKILL))

    fine = logging(tmp_path / 'log', 'fine', ['one'])
    makes = dict(broken=broken, killed=killed, fine=fine)
    results = {name: r['one'] for name, r in turns.time_in_turns(makes, dict(one=2)).items()}
    assert results['broken'].fault == 'ImportError: no such library'
    assert results['killed'].fault == 'the process ended with -9'
    assert results['broken'].timing is results['killed'].timing is None
    assert results['fine'].timing
    assert not results['fine'].fault


def test_failures_end_with_1_and_their_names(turns):
    fine, broken = turns.Result(turns.Timing(1, 1, 1)), turns.Result(fault='RuntimeError: x')
    turns.exit_on_faults(dict(a=dict(one=fine, two=fine)))
    results = dict(a=dict(one=fine, two=broken), b=dict(one=fine), c=dict(one=broken))
    with pytest.raises(SystemExit, match=r'^failed: a, c$'):
        turns.exit_on_faults(results)


def test_rows_are_compared_with_the_fastest_equal_peer(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools/benchmarks')
    from helpers import common

    row = common.Row
    rows = dict(
        a=row('fp32', False), b=row('fp32', False), c=row('bf16', False), ours=row('fp32', True),
        folded=row('fp32', True), other=row('', False), plain=row('', True), int8=row('int8', True),
    )  # fmt: skip
    times = dict(a=3.0, b=2.0, c=0.1, ours=4.0, folded=1.0, other=0.1, plain=1.0, int8=1.0)
    compared = {name: common.compare_with_peer(name, times, rows) for name in rows}
    assert compared == {**dict.fromkeys(rows, ''), 'ours': 0.5, 'folded': 2.0}
