"""What the launcher refuses, and what it makes of processes that failed."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from senet_mm.utils.agent import EndedElsewhereError, describe_failure, find_cause, is_final
from senet_mm.utils.machines import Group
from senet_mm.utils.processes import note_answer

from ..conftest import ROOT

WRONG = [
    ('0', {}, 'N=0; allowed: whole numbers from 1'),
    ('two', {}, "N='two'; allowed: whole numbers from 1"),
    ('1', {'NNODES': '0'}, 'NNODES=0; allowed: whole numbers from 1'),
    ('1', {'NNODES': '2', 'NODE_RANK': '0'}, 'NNODES=2 without MASTER_ADDR; allowed: .*'),
    ('1', {'NNODES': '2', 'MASTER_ADDR': 'here'}, 'NNODES=2 without NODE_RANK; allowed: .*'),
    ('1', {'NNODES': '2', 'NODE_RANK': '2'}, 'NODE_RANK=2, NNODES=2; allowed: 0 to 1'),
    ('1', {'NODE_RANK': '1'}, 'NODE_RANK=1, NNODES=1; allowed: 0, or more than one machine'),
    ('1', {'PORT': 'any'}, "PORT='any'; allowed: whole numbers from 1"),
    ('1', {'PORT': '65536'}, 'PORT=65536; allowed: 1 to 65535'),
    ('1', {'MAX_RESTARTS': '-1'}, 'MAX_RESTARTS=-1; allowed: whole numbers from 0'),
]


@pytest.mark.parametrize(('processes', 'environment', 'message'), WRONG)
def test_what_is_refused(processes, environment, message):
    with pytest.raises(ValueError, match=f'^{message}$'):
        Group.read(processes, environment)


def test_more_processes_than_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    assert Group.read('2', {}).processes == 2
    with pytest.raises(ValueError, match=r'^N=3, and this machine has 2 GPUs; allowed: 1 to 2'):
        Group.read('3', {})


@pytest.fixture
def free_port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


def join(node, address, port):
    environment = dict(NNODES='2', NODE_RANK=str(node), MASTER_ADDR=address, PORT=str(port))
    return Group.read('1', {**environment, 'JOIN_TIMEOUT': '1'}).joined()


def test_a_port_in_use():
    with socket.create_server(('', 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OSError, match=f'PORT={port}: the port is taken; allowed'):
            join(0, '127.0.0.1', port).__enter__()


def test_an_address_of_another_machine(free_port, capfd):
    """Given to machine 0, which would wait for itself there."""
    refused = pytest.raises(OSError, match='machine 0 does not reach itself there; allowed: an ad')
    with refused:
        join(0, '192.0.2.1', free_port).__enter__()  # which RFC 5737 gives to nobody
    assert capfd.readouterr().err == ''


def test_nobody_at_the_address(free_port):
    with pytest.raises(OSError, match='machine 0 does not answer within JOIN_TIMEOUT=1 s'):
        join(1, '127.0.0.1', free_port).__enter__()


def test_nobody_at_the_address_is_said_in_one_line(free_port, capfd):
    """And not by the stack of torch."""
    with pytest.raises(OSError, match='machine 0 does not answer'):
        join(1, '127.0.0.1', free_port).__enter__()
    assert capfd.readouterr().err == ''


def test_something_else_at_the_address():
    """It listens, and never says a word."""
    silent = pytest.raises(OSError, match='machine 0 does not answer within JOIN_TIMEOUT=1 s')
    with socket.create_server(('127.0.0.1', 0)) as server, silent:
        join(1, *server.getsockname()).__enter__()


def test_no_such_address(free_port):
    with pytest.raises(OSError, match=r'MASTER_ADDR=no\.invalid .*: there is no such address'):
        join(1, 'no.invalid', free_port).__enter__()


def test_machines_agree_on_the_name_of_a_launch(free_port):
    with join(0, '127.0.0.1', free_port) as first, join(1, '127.0.0.1', free_port) as second:
        assert first.name == second.name != ''


@pytest.fixture
def failures(tmp_path, monkeypatch):
    """Failures of ranks, by their exit codes; 'answer' is an error that answers the user."""

    def make(*codes):
        made = {}
        for rank, code in enumerate(codes):
            file = tmp_path / f'{rank}.json'
            monkeypatch.setenv('TORCHELASTIC_ERROR_FILE', str(file))
            if code == 'answer':
                note_answer('error: wrong')
            code = 1 if code == 'answer' else code
            made[rank] = ProcessFailure(rank, 100 + rank, code, str(file))
        return made

    return make


def test_what_ends_another_machine():
    assert str(EndedElsewhereError(1, 143)) == 'machine 1 was ended by SIGTERM'
    assert str(EndedElsewhereError(1, 1)) == 'machine 1 has ended with code 1, and says why'


CASES = [
    # exit codes, the rank because of which the others failed, whether it is final
    ((1, -signal.SIGKILL), 1, False),
    ((143, -signal.SIGKILL), 1, False),
    ((-signal.SIGTERM, 1), 1, False),
    ((-signal.SIGKILL, 124), 1, False),
    ((143, 143), 0, True),
    ((138,), 0, True),
    ((143, 'answer'), 1, True),
    ((143, 1), 1, False),
    ((-signal.SIGTERM, 2), 1, True),
]


@pytest.mark.parametrize(('codes', 'rank', 'final'), CASES)
def test_which_failure_counts(failures, codes, rank, final):
    made = failures(*codes)
    assert find_cause(made)[0] == rank
    assert is_final(made.values()) is final
    assert describe_failure(made).startswith(f'rank {rank} (process {100 + rank} on ')


LAUNCH = """
import sys
from pathlib import Path
from senet_mm.cli import reported_errors
from senet_mm.utils.launch import launch
with reported_errors():
    sys.exit(launch(Path(sys.argv[1]), sys.argv[2], []))
"""
# Rank 1 ends after SIGTERM as one that has saved, or not.
SAVES = """
import os, signal, time
from senet_mm.utils.processes import end_with_launcher
end_with_launcher()
ends = os.environ['RANK'] == '0' or {ends}
signal.signal(signal.SIGTERM, lambda *_: os._exit(143) if ends else None)
time.sleep(3)  # before it has noted the processes, the launcher has none to send signals to
os.write(1, b'here\\n')
while True:
    time.sleep(1)
"""
FAILS = """
import os, time
time.sleep(60 if os.environ['RANK'] != '{rank}' else 0)
os._exit(2)
"""


@pytest.fixture
def launched(tmp_path):
    """Starts a launcher on a script."""
    started = []

    def start(script, processes, **env):
        path = tmp_path / 'script.py'
        path.write_text(script)
        command = [sys.executable, '-c', LAUNCH, path, processes]
        quiet = dict(TORCH_CPP_LOG_LEVEL='ERROR')  # as of tools/dist.py
        env = {**os.environ, 'PYTHONPATH': str(ROOT), **quiet, **env}
        pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append(subprocess.Popen(command, env=env, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(('ends', 'code'), [(True, 143), (False, 137)])
def test_processes_that_are_stopped_when_a_signal_comes(launched, ends, code):
    """They go on, to save; the code tells whether one was killed."""
    launcher = launched(SAVES.format(ends=ends), '2', SHUTDOWN_TIMEOUT='2')
    assert [launcher.stdout.readline() for _ in range(2)] == ['here\n'] * 2
    ranks = Path(f'/proc/{launcher.pid}/task/{launcher.pid}/children').read_text().split()
    for rank in ranks:
        os.kill(int(rank), signal.SIGSTOP)
    launcher.terminate()
    _, errors = launcher.communicate(timeout=60)
    assert launcher.returncode == code
    assert ('rank 1' in errors) == (not ends)
    assert 'rank 0' not in errors


SLOW = """
import os, signal, time
from senet_mm.utils.processes import end_with_launcher
end_with_launcher()
got = []
signal.signal(signal.SIGINT, lambda *_: got.append('SIGINT'))
signal.signal(signal.SIGTERM, lambda *_: got.append('SIGTERM'))
time.sleep(3)
os.write(1, b'here\\n')
while not got:
    time.sleep(0.1)
time.sleep({seconds})  # it saves
print(*got, flush=True)
os._exit(130)
"""


@pytest.mark.slow
@pytest.mark.parametrize(('pause', 'seconds', 'code'), [(0.2, 3, 130), (1.5, 600, 137)])
def test_a_second_signal(launched, pause, seconds, code):
    """At once it is the same one; later it kills what still saves."""
    launcher = launched(SLOW.format(seconds=seconds), '1', SHUTDOWN_TIMEOUT='300')
    assert launcher.stdout.readline() == 'here\n'
    launcher.send_signal(signal.SIGINT)
    time.sleep(pause)
    launcher.send_signal(signal.SIGINT)
    printed, errors = launcher.communicate(timeout=60)
    assert launcher.returncode == code, errors
    assert printed == ('SIGINT\n' if code == 130 else '')


@pytest.mark.slow
@pytest.mark.parametrize('rank', [0, 1])
def test_a_machine_that_ends_for_good_ends_the_others(launched, free_port, rank):
    """Though their processes would wait for it."""
    env = dict(NNODES='2', MASTER_ADDR='127.0.0.1', PORT=str(free_port))
    script = FAILS.format(rank=rank)
    launchers = [launched(script, '1', NODE_RANK=str(node), **env) for node in range(2)]
    errors = [launcher.communicate(timeout=60)[1] for launcher in launchers]
    assert [launcher.returncode for launcher in launchers] == [2, 2]
    assert errors[1 - rank] == f'error: machine {rank} has ended with code 2, and says why\n'


@pytest.mark.slow
def test_a_launcher_of_machine_0_that_is_killed(launched, free_port):
    """The other machine, which has lost the store, says so in one line."""
    env = dict(NNODES='2', MASTER_ADDR='127.0.0.1', PORT=str(free_port), SHUTDOWN_TIMEOUT='1')
    launchers = [launched(SAVES.format(ends=True), '1', NODE_RANK=str(n), **env) for n in range(2)]
    assert [launcher.stdout.readline() for launcher in launchers] == ['here\n'] * 2
    launchers[0].kill()
    _, errors = launchers[1].communicate(timeout=60)
    assert launchers[1].returncode == 1
    assert errors == (
        f'error: machine 0 does not answer any more at MASTER_ADDR=127.0.0.1 PORT={free_port}: its '
        'launcher was killed, or it cannot be reached\n'
    )


@pytest.mark.slow
def test_a_launcher_leaves_no_folder(launched, tmp_path):
    """One that is killed does; the next launcher removes it."""
    launcher = launched(SAVES.format(ends=True), '1', TMPDIR=str(tmp_path))
    assert launcher.stdout.readline() == 'here\n'
    launcher.kill()
    launcher.wait()
    assert len(list(tmp_path.glob('senet_mm-*'))) == 1
    assert launched(FAILS.format(rank=0), '1', TMPDIR=str(tmp_path)).wait() == 2
    assert [path.name for path in tmp_path.iterdir()] == ['script.py']
