import ctypes
import subprocess
import sys

import pytest

from senet_mm.config.keys import check_keys
from senet_mm.config.names import get_config
from senet_mm.engine import Runner, speed
from senet_mm.utils import allocator
from senet_mm.utils.allocator import keep_freed_memory

from ..conftest import ROOT

# A block of 64 MiB is filled and freed twice. Prints how many MiB of the second are new to the
# process, and how many it gives back when it forks.
REUSE = """
import ctypes, os, resource, sys
from senet_mm.utils.allocator import keep_freed_memory
if sys.argv[1] == 'keep':
    print(keep_freed_memory())
elif sys.argv[1] == 'import':
    import senet_mm.engine
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = ctypes.c_void_p(libc.malloc(2**26))
    libc.memset(block, 1, 2**26)
    libc.free(block)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1])
before = resident()
if os.fork() == 0:
    os._exit(0)
given = before - resident()
print(*(round(pages * resource.getpagesize() / 2**26) * 64 for pages in (faults, given)))
"""


def reuse(how, **env):
    command = [sys.executable, '-c', REUSE, how]
    run = subprocess.run(
        command, capture_output=True, text=True, check=True, env={'PYTHONPATH': str(ROOT), **env}
    )
    return run.stdout


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), 'gnu_get_libc_version'), reason='needs glibc')
@pytest.mark.parametrize(
    ('env', 'printed'),
    [
        ({}, 'True\n0 64\n'),
        ({'GLIBC_TUNABLES': 'glibc.malloc.check=0'}, 'True\n0 64\n'),
        ({'MALLOC_TRIM_THRESHOLD_': '131072'}, 'False\n64 0\n'),
        ({'GLIBC_TUNABLES': 'glibc.malloc.check=0:glibc.malloc.mmap_max=9'}, 'False\n64 0\n'),
        # Names that glibc does not know.
        ({'MALLOC_MMAP_THRESHOLD': '9', 'MALLOC_TRIM_': '9'}, 'True\n0 64\n'),
    ],
)
def test_freed_memory_is_reused(env, printed):
    assert reuse('keep', **env) == printed


@pytest.mark.slow
def test_an_import_sets_nothing():
    assert reuse('import') == '64 0\n'


class Library:
    """A C library whose mallopt answers as it is told."""

    def __init__(self, answer):
        self.calls = []
        self.mallopt = lambda *call: self.calls.append(call) or answer
        self.malloc_trim = lambda pad: 1


@pytest.fixture
def set_library(monkeypatch):
    """Puts a C library in place of the real one, for which nothing is set yet."""
    monkeypatch.setattr(allocator, 'VARIABLES', ())
    monkeypatch.delenv('GLIBC_TUNABLES', raising=False)

    def put(library):
        keep_freed_memory.cache_clear()
        monkeypatch.setattr(ctypes, 'CDLL', lambda name: library)
        return library

    yield put
    keep_freed_memory.cache_clear()


def test_it_is_set_once(set_library):
    library = set_library(Library(1))
    assert keep_freed_memory()
    assert keep_freed_memory()
    assert library.calls == [(-4, 0), (-1, -1)]


@pytest.mark.parametrize('library', [object(), Library(0)])
def test_another_c_library(set_library, library, recwarn):
    set_library(library)
    assert not keep_freed_memory()
    assert not recwarn.list


def test_other_systems_have_no_c_library_to_load(set_library, monkeypatch):
    """Windows cannot load None."""
    library = set_library(Library(1))
    monkeypatch.setattr(allocator.sys, 'platform', 'win32')
    monkeypatch.setattr(ctypes, 'CDLL', lambda name: pytest.fail('was loaded'))
    assert not keep_freed_memory()
    assert not library.calls


@pytest.mark.parametrize('variable', allocator.VARIABLES)
def test_every_variable_has_priority(monkeypatch, variable):
    monkeypatch.setenv(variable, '1')
    assert allocator.given_settings() == [variable]


@pytest.mark.parametrize('asked', [True, None])
def test_a_variable_that_wins_is_logged(monkeypatch, asked):
    """Only if the setting was asked for."""
    lines = []
    monkeypatch.setattr(speed, 'print_log', lambda text, logger: lines.append(text))
    monkeypatch.setattr(speed, 'get_device', lambda: 'cpu')
    monkeypatch.setenv('MALLOC_MMAP_MAX_', '5')
    keep_freed_memory.cache_clear()
    speed.use_memory(asked)
    keep_freed_memory.cache_clear()
    wins = 'env_cfg.keep_freed_memory=True has no effect: MALLOC_MMAP_MAX_ in the environment'
    assert [line[: len(wins)] for line in lines] == [wins] * bool(asked)


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
@pytest.mark.parametrize('given', [None, True, False])
def test_the_key_of_a_config(tmp_path, monkeypatch, device, given):
    calls = []
    monkeypatch.setattr(speed, 'get_device', lambda: device)
    monkeypatch.setattr(speed, 'keep_freed_memory', lambda: calls.append(1) or True)
    cfg = get_config('seresnet8_1xb64_digits')
    cfg.work_dir = str(tmp_path)
    if given is not None:
        cfg.env_cfg.keep_freed_memory = given
    Runner.from_cfg(cfg)
    assert calls == [1] * (given or (given is None and device == 'cpu'))


@pytest.mark.parametrize('given', ['yes', 1, 2.0])
def test_a_wrong_value(given):
    cfg = get_config('seresnet8_1xb64_digits')
    cfg.env_cfg.keep_freed_memory = given
    with pytest.raises(ValueError, match=r'env_cfg\.keep_freed_memory'):
        check_keys(cfg)
