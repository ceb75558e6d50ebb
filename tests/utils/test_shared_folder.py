"""Folders that processes share are there as long as one of them is."""

import errno
import fcntl
import os
import signal
import tempfile

import pytest

from senet_mm.utils import processes
from senet_mm.utils.shared_folder import SharedFolder


@pytest.fixture(autouse=True)
def _temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))


def run(work):
    """Run a function in a process of its own; returns how that ends."""
    pid = os.fork()
    if not pid:
        try:
            work()
        finally:
            os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_the_last_one_removes_it(tmp_path):
    first, second = SharedFolder('a'), SharedFolder('a')
    assert first.path == second.path
    (first.path / 'file').touch()
    first.close()
    first.close()
    assert (second.path / 'file').exists()
    second.close()
    assert list(tmp_path.iterdir()) == []


def test_forked_processes_do_not_keep_it(tmp_path):
    """As those that load data, which may end later."""
    folder = SharedFolder('a')
    pid = os.fork()
    if not pid:
        signal.pause()
    folder.close()
    left = list(tmp_path.iterdir())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert left == []


def test_a_killed_process_s_is_removed_by_the_next():
    def die():
        (SharedFolder('a').path / 'file').touch()
        os.kill(os.getpid(), signal.SIGKILL)

    held = SharedFolder('b')
    assert run(die) == -signal.SIGKILL
    left = held.path.with_name(held.path.name.replace('-b', '-a'))
    assert (left / 'file').exists()
    SharedFolder('c').close()
    assert not left.exists()
    assert held.path.exists()
    held.close()


def test_others_files_stay(tmp_path):
    """Of other users, and what is no folder."""
    mine = f'senet_mm-{os.getuid()}-'
    (tmp_path / f'senet_mm-{os.getuid() + 1}-a').mkdir()
    (tmp_path / f'{mine}file').touch()
    (tmp_path / f'{mine}link').symlink_to(tmp_path)
    SharedFolder('a').close()
    assert len(list(tmp_path.iterdir())) == 3


STEP = dict(SLURM_JOB_ID='7', SLURM_STEP_ID='0', SLURM_STEP_NUM_TASKS='2')


@pytest.fixture
def step(monkeypatch):
    """A step of Slurm; calls are processes of it."""
    monkeypatch.delenv('TORCHELASTIC_ERROR_FILE', raising=False)
    monkeypatch.delenv('TORCHELASTIC_RUN_ID', raising=False)

    def say(text, **env):
        """Whether a process of the step is the first to say something."""

        def work():
            os.environ.update(STEP | env)
            processes.share_folder()
            os._exit(processes.is_first_to_say(text))

        return bool(run(work))

    return say


def test_an_error_in_all_processes_of_a_step_of_slurm(step, monkeypatch):
    """One of them says so; each text, and each start, once."""
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(processes, '_of_step', None)
    processes.share_folder()  # one that still runs
    assert [step('a'), step('a'), step('b')] == [True, False, True]
    assert [step('a', SLURM_RESTART_COUNT='1'), step('a', SLURM_STEP_ID='1')] == [True, True]
    processes.leave_folder()


def test_a_step_of_one_process_may_be_a_shell(step, tmp_path):
    """In which the same is said by one command after the other."""
    for _ in range(2):
        assert step('a', SLURM_STEP_NUM_TASKS='1')
    assert list(tmp_path.iterdir()) == []


def test_no_folder_can_be_made(step, tmp_path):
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, 'tempdir', str(tmp_path / 'nowhere'))
        assert [step('a'), step('a')] == [True, True]


def test_without_locks_it_is_there(monkeypatch):
    """As on Lustre without ``-o flock``."""

    def flock(file, operation):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, 'flock', flock)
    folder = SharedFolder('a')
    folder.close()
    assert folder.path.is_dir()


def test_a_forked_process_that_ends_does_not_remove_it():
    folder = SharedFolder('a')
    assert run(folder.close) == 7
    (folder.path / 'file').touch()
    SharedFolder('b').close()
    assert (folder.path / 'file').exists()
    folder.close()


def test_another_user_s_is_refused(monkeypatch):
    owner = os.getuid()
    monkeypatch.setattr(os, 'getuid', lambda: owner + 1)
    os.mkdir(os.path.join(tempfile.tempdir, f'senet_mm-{owner + 1}-a'))
    with pytest.raises(PermissionError, match='another user'):
        SharedFolder('a')
