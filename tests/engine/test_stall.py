"""A run without progress ends, and names the process for which the others wait."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from senet_mm.engine.hooks import StallHook
from senet_mm.engine.stall import Progress, Standstill, describe_standstill
from senet_mm.utils.processes import STALLED

TIMEOUT = 1.0


def fork(work, log):
    """Run a function in a process of its own; returns its number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        with open(log, 'w') as sys.stderr:
            work()
    finally:
        os._exit(0)


def wait_for_stop(link):
    """Wait until the process is stopped to whose number a link points."""
    while not link.is_symlink():
        time.sleep(0.01)
    stat = Path('/proc', os.readlink(link), 'stat')
    while stat.read_text().rpartition(') ')[2][0] != 'T':
        time.sleep(0.01)


def end_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_process_that_hangs_ends(tmp_path):
    def hang():
        with Progress(TIMEOUT).watched():
            time.sleep(60)

    assert end_of(fork(hang, tmp_path / 'log')) == STALLED
    line = 'error: no progress for 1 s (default_hooks.stall.timeout): the process is in hang of'
    assert (tmp_path / 'log').read_text().startswith(line)


def test_a_process_that_works_goes_on(tmp_path):
    """Steps, nested loops, and the time after the work do not end it."""

    def work():
        progress = Progress(TIMEOUT)
        for _ in range(2):
            with progress.watched(), progress.watched():
                for _ in range(15):
                    progress.step()
                    time.sleep(0.1)
        time.sleep(2 * TIMEOUT)
        os._exit(7)

    assert end_of(fork(work, tmp_path / 'log')) == 7


def test_the_time_for_which_a_process_is_stopped_does_not_count(tmp_path):
    def work():
        with Progress(TIMEOUT).watched():
            time.sleep(TIMEOUT / 2)
            (tmp_path / 'ready').touch()
            while not (tmp_path / 'go').exists():
                time.sleep(0.01)
        os._exit(7)

    pid = fork(work, tmp_path / 'log')
    while not (tmp_path / 'ready').exists():
        time.sleep(0.01)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(2 * TIMEOUT)
    (tmp_path / 'go').touch()
    os.kill(pid, signal.SIGCONT)
    assert end_of(pid) == 7


@pytest.mark.parametrize(('stopped', 'early'), [(0, False), (1, False), (0, True)])
def test_a_stopped_rank_is_named(tmp_path, monkeypatch, stopped, early):
    """By the other one, whichever of them has the store, and even before both are watched."""
    store = dist.TCPStore('127.0.0.1', 0, is_master=True, wait_for_workers=False)
    port = store.port
    del store
    monkeypatch.setenv('MASTER_ADDR', '127.0.0.1')
    monkeypatch.setenv('MASTER_PORT', str(port))
    monkeypatch.setenv('WORLD_SIZE', '2')

    def rank(number):
        def work():
            os.environ['RANK'] = str(number)
            dist.init_process_group('gloo')
            dist.barrier()  # rank 0 holds what the other one needs to begin
            if early and number == stopped:
                (tmp_path / 'pid').symlink_to(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGSTOP)
            elif early:
                wait_for_stop(tmp_path / 'pid')
            with Progress(TIMEOUT).watched():
                if number == stopped:
                    os.kill(os.getpid(), signal.SIGSTOP)
                dist.all_reduce(torch.zeros(1))

        return fork(work, tmp_path / f'{number}')

    pids = [rank(0), rank(1)]
    other = 1 - stopped
    assert end_of(pids[other]) == STALLED
    os.kill(pids[stopped], signal.SIGKILL)
    os.waitpid(pids[stopped], 0)
    lines = (tmp_path / f'{other}').read_text().splitlines()
    assert [line for line in lines if line.startswith('error')] == [
        f'error (rank {other}): no progress for 1 s (default_hooks.stall.timeout): rank {stopped} '
        'does not answer: it is stopped, or its machine cannot be reached'
    ]


def test_the_one_that_is_late_is_named():
    here, there = Standstill(7, 'in f of a.py:1'), Standstill(6, 'in g of b.py:2')
    assert describe_standstill({0: here, 1: there, 2: here}) == 'rank 1 is in g of b.py:2'
    assert describe_standstill({0: here, 1: here}).count('rank') == 2
    assert describe_standstill({0: here, 1: None, 2: None}).startswith('rank 1, 2 does not answer')
    assert describe_standstill({0: None, 1: here, 2: None}).startswith('rank 0 does not answer')


@pytest.mark.parametrize('timeout', [0, -1])
def test_a_timeout_that_is_not_allowed(timeout):
    with pytest.raises(ValueError, match=f'timeout={timeout} of StallHook; allowed: above 0'):
        StallHook(timeout)


def test_no_timeout():
    hook = StallHook(None)
    with hook.watched():
        hook.before_train_iter(None, 0)
