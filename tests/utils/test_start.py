"""A run that does not get to its first iteration ends, and names the process that is missing."""

import _thread
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import torch.distributed as dist

from senet_mm.utils import start, threads
from senet_mm.utils.processes import STALLED

TIMEOUT = 2
LINE = f'no progress for {TIMEOUT} s before the first iteration (START_TIMEOUT): '


@pytest.fixture
def ranks(tmp_path, monkeypatch):
    """Starts functions as the processes of a run; gives how they end, by rank, and what they say.

    ``None`` is a process that does not start. As a launcher does, it ends the others after the
    first.
    """
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    env = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=port, START_TIMEOUT=str(TIMEOUT))
    for name in ('TORCHELASTIC_USE_AGENT_STORE', 'TORCHELASTIC_ERROR_FILE'):
        monkeypatch.delenv(name, raising=False)
    running = {}

    def begin(rank, work, count):
        threading.main_thread()._set_native_id()  # os.fork leaves it as it was
        os.environ.update(env, RANK=str(rank), WORLD_SIZE=str(count))
        with open(tmp_path / f'{rank}', 'w') as sys.stderr:
            start.watch_start('pytorch')
            work()
            start.end_start()
        os._exit(0)

    def run(*works):
        for rank, work in enumerate(works):
            if work and not (pid := os.fork()):
                try:
                    begin(rank, work, len(works))
                finally:
                    os._exit(7)
            elif work:
                running[pid] = rank
        ends = {}
        while running and not any(ends.values()):
            pid, status = os.wait()
            ends[running.pop(pid)] = os.waitstatus_to_exitcode(status)
        return ends, {int(file.name): file.read_text() for file in tmp_path.glob('[0-9]')}

    yield run
    for pid in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def connect():
    dist.init_process_group('gloo')


def hang_at_import():
    time.sleep(60)


def hang_before_the_wrap():
    connect()
    time.sleep(60)


def wait():
    """What mmengine does next in all processes."""
    connect()
    dist.barrier()


@pytest.mark.slow
@pytest.mark.parametrize('hang', [hang_at_import, hang_before_the_wrap])
@pytest.mark.parametrize('rank', [0, 1])
def test_a_process_that_hangs_names_itself(ranks, hang, rank):
    """And not the others, which wait for it."""
    works = [wait, wait]
    works[rank] = hang
    ends, said = ranks(*works)
    assert ends == {rank: STALLED}
    assert said[1 - rank] == ''
    assert said[rank].startswith(f'error (rank {rank}): {LINE}rank {rank} is in {hang.__name__} of')
    assert said[rank].endswith(': what it waits for does not come\n')


@pytest.mark.slow
@pytest.mark.parametrize('rank', [0, 1])
def test_a_process_that_never_starts_is_named(ranks, rank):
    works = [wait, wait]
    works[rank] = None
    ends, said = ranks(*works)
    assert ends == {1 - rank: STALLED}
    assert said[1 - rank] == (
        f'error (rank {1 - rank}): {LINE}rank {rank} has not started: its machine is missing, or '
        'its imports hang\n'
    )


@pytest.mark.slow
@pytest.mark.parametrize('rank', [0, 1])
def test_a_process_that_is_stopped_is_named(ranks, rank):
    """Also the one that has the store."""

    def stop():
        connect()
        time.sleep(0.5)  # until the other has heard of it
        os.kill(os.getpid(), signal.SIGSTOP)

    works = [wait, wait]
    works[rank] = stop
    ends, said = ranks(*works)
    assert ends == {1 - rank: STALLED}
    assert f'{LINE}rank {rank} does not answer, and was in ' in said[1 - rank]
    why = 'it is stopped, its machine cannot be reached, or it works in code that lets no other'
    assert f': {why} thread run\n' in said[1 - rank]


@pytest.mark.slow
def test_a_process_that_works_may_take_long(ranks):
    """Others wait for it; after the start, nobody watches."""

    def work():
        end = time.monotonic() + 2 * TIMEOUT
        while time.monotonic() < end:
            sum(range(1000))
            time.sleep(0.01)

    def rest():
        connect()
        start.end_start()
        time.sleep(2 * TIMEOUT)

    assert ranks(rest, lambda: (work(), rest())) == ({0: 0, 1: 0}, {0: '', 1: ''})


def test_all_that_are_silent_are_named():
    assert start.describe_silence({1: None, 2: '7 in f of a.py:3', 5: None}) == (
        'rank 2 does not answer, and was in f of a.py:3: it is stopped, its machine cannot be '
        'reached, or it works in code that lets no other thread run; rank 1, 5 has not started: '
        'its machine is missing, or its imports hang'
    )


@pytest.mark.parametrize(
    ('launcher', 'count'), [('none', '2'), ('pytorch', '1'), ('pytorch', None), ('mpi', '2')]
)
def test_who_is_not_watched(monkeypatch, launcher, count):
    monkeypatch.delenv('WORLD_SIZE', raising=False)
    if count:
        monkeypatch.setenv('WORLD_SIZE', count)
    start.watch_start(launcher)
    assert start._current is None
    start.end_start()


@pytest.mark.parametrize('given', ['0', 'soon', '1.5'])
def test_a_limit_that_is_not_allowed(monkeypatch, given):
    monkeypatch.setenv('START_TIMEOUT', given)
    with pytest.raises(ValueError, match=r'^START_TIMEOUT=.*; allowed: whole numbers from 1$'):
        start.watch_start('none')


def test_python_s_own_code_is_not_where_a_process_is():
    assert threads.is_standard(socket.__file__)
    assert threads.is_standard('<frozen importlib._bootstrap>')
    assert not threads.is_standard(pytest.__file__)
    assert not threads.is_standard(__file__)


def test_without_linux_no_process_seems_idle(monkeypatch, tmp_path):
    """What the kernel does not tell is no reason to end a run."""
    monkeypatch.setattr(threads, 'PROCESSES', tmp_path)
    assert threads.get_used([]) > 0


WORK = 'import time\nend = time.time() + 60\nwhile time.time() < end: pass\n'
PROGRAMS = {
    'child': WORK,
    'its thread': f'import threading\nthreading.Thread(target=lambda: exec({WORK!r})).start()',
    'grandchild': f'import subprocess, sys\nsubprocess.run([sys.executable, "-c", {WORK!r}])',
}


@pytest.mark.parametrize('name', PROGRAMS)
def test_work_counts_whichever_process_does_it(name):
    """A process that waits for a program is not idle while anything of that works."""
    child = subprocess.Popen([sys.executable, '-c', PROGRAMS[name]], start_new_session=True)
    try:
        assert_working()
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def test_work_counts_whichever_thread_does_it():
    """Python does not know the threads of a library."""
    ended = threading.Event()

    def work():
        while not ended.is_set():
            pass

    _thread.start_new_thread(work, ())
    try:
        assert_working()
    finally:
        ended.set()


def assert_working():
    """Wait until a fifth of a second of a processor is used."""
    before, end = threads.get_used([threading.current_thread()]), time.monotonic() + 60
    while threads.get_used([threading.current_thread()]) < before + 0.2:
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize('name', ['RANK', 'MASTER_ADDR', 'MASTER_PORT'])
def test_what_a_launcher_sets_is_needed(name, monkeypatch):
    for other in ('WORLD_SIZE', 'RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.setenv(other, '2')
    monkeypatch.delenv(name)
    with pytest.raises(ValueError, match=f'{name} is not set'):
        start.watch_start('pytorch')
