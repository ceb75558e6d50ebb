"""Processes end with their parent, even one that is gone before they ask for it."""

import os
import signal
import sys

import pytest

from senet_mm.utils.processes import LAUNCHER, end_with_launcher, end_with_parent

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='the kernel of Linux does this')


def end_of(work):
    pid = os.fork()
    if not pid:
        try:
            work()
        finally:
            os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_parent_that_is_gone():
    here = os.getpid()
    assert end_of(lambda: end_with_parent(here)) == 7
    assert end_of(lambda: end_with_parent(here + 1)) == -signal.SIGKILL


@pytest.mark.parametrize('shift', [0, 1])
def test_a_launcher_that_is_gone(monkeypatch, shift):
    monkeypatch.setenv(LAUNCHER, str(os.getpid() + shift))
    monkeypatch.delenv('TORCHELASTIC_RUN_ID', raising=False)
    assert end_of(end_with_launcher) == 7
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'a')
    assert end_of(end_with_launcher) == (-signal.SIGKILL if shift else 7)
    assert end_of(lambda: (os.environ.pop(LAUNCHER), end_with_launcher())) == 7
