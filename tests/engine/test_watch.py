"""Signals to a run, and to those who load its data."""

import os
import signal
import threading
import time

import pytest
import torch
import torch.distributed as dist

from senet_mm.engine import watch
from senet_mm.engine.data_loader import build_data_loader
from senet_mm.engine.watch import Interrupted, Watch
from senet_mm.utils.processes import SIGNALS


@pytest.fixture
def group(tmp_path):
    """A process group of one process."""
    dist.init_process_group('gloo', f'file://{tmp_path}/store', rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def call(function, in_thread):
    """Call a function, in a thread of its own or in this one."""
    if not in_thread:
        function()
        return
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@pytest.mark.parametrize('in_thread', [False, True])
def test_the_integer_is_reduced_over_cpus(group, monkeypatch, in_thread):
    """NCCL reduces no tensor of a CPU; a run outside of the main thread needs the group too."""
    monkeypatch.setattr(dist, 'get_backend', lambda *args: 'nccl')
    groups, own = [], Watch()
    reduce = dist.all_reduce
    monkeypatch.setattr(dist, 'all_reduce', lambda *a: (groups.append(a[2]), reduce(*a)))

    def run():
        for _ in range(2):
            with own.listening():
                own.poll()

    call(run, in_thread)
    assert len(groups) == 2
    assert groups[0] is groups[1] is not None


def test_a_signal_that_comes_twice_at_once_is_one(monkeypatch):
    """A scheduler signals all processes, and torchrun passes its own signal on."""
    ends = []
    monkeypatch.setattr(os, '_exit', ends.append)
    own = Watch()
    with own.listening():
        own.has_work = True
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert ends == []
        monkeypatch.setattr(watch, 'SAME', 0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert ends == [143]
        with pytest.raises(Interrupted):
            own.poll()


def test_a_signal_in_the_first_compilation():
    """There is nothing to save, so the run ends at once."""

    def compile_slowly(module, inputs):
        os.kill(os.getpid(), signal.SIGTERM)
        return module.forward

    double = torch.compile(lambda x: 2 * x, backend=compile_slowly)
    with Watch().listening(), pytest.raises(Interrupted) as end:
        double(torch.ones(1))
    assert end.value.code == 143


class Numbers:
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return os.getpid()


@pytest.mark.parametrize('former', [signal.SIG_DFL, signal.SIG_IGN])
def test_a_lost_terminal(former):
    """It ends a run, unless nohup has started that."""
    before = signal.signal(signal.SIGHUP, former)
    try:
        own = Watch()
        with own.listening():
            own.has_work = True
            os.kill(os.getpid(), signal.SIGHUP)
            assert own.signum == (0 if former == signal.SIG_IGN else signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == former
    finally:
        signal.signal(signal.SIGHUP, before)


def test_workers_survive_signals_to_all_processes():
    """They end when their parent tells them, as torch does."""
    loader = build_data_loader(
        dict(
            dataset=Numbers(), batch_size=1, num_workers=1, sampler=dict(type='DefaultSampler'),
            collate_fn=lambda batch: batch,
        )
    )  # fmt: skip
    batches = iter(loader)
    [worker] = next(batches)
    assert worker != os.getpid()
    sender = os.fork()
    if not sender:
        for number in SIGNALS:
            os.kill(worker, number)
        os._exit(0)
    os.waitpid(sender, 0)
    assert [pid for [pid] in batches] == [worker] * 7
    os.kill(worker, signal.SIGTERM)
    process = loader._iterator._workers[0]
    process.join(30)
    assert process.exitcode == 0


@pytest.mark.parametrize('in_thread', [False, True])
def test_a_worker_ends_with_its_process(tmp_path, in_thread):
    """Even if that is killed and the worker is stopped; one of a thread outlives the thread."""
    file = tmp_path / 'worker'
    pid = os.fork()
    if not pid:

        def load():
            loader = build_data_loader(
                dict(
                    dataset=Numbers(), batch_size=1, num_workers=1, persistent_workers=True,
                    sampler=dict(type='DefaultSampler'), collate_fn=lambda batch: batch,
                )
            )  # fmt: skip
            numbers = [number for [number] in loader]
            globals()['kept'] = loader
            if not in_thread:
                os.kill(numbers[0], signal.SIGSTOP)
            file.with_suffix('.new').write_text(str(numbers[0]))
            file.with_suffix('.new').rename(file)

        call(load, in_thread)
        time.sleep(60)
        os._exit(0)
    while not file.exists():
        time.sleep(0.01)
    worker = int(file.read_text())
    time.sleep(0.2)  # for a kill at the end of the thread
    assert _lives(worker)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    end = time.monotonic() + 60
    while _lives(worker):  # one of a thread: until torch's own look for its parent, each 5 s
        assert time.monotonic() < end
        time.sleep(0.05)


def _lives(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rpartition(') ')[2][0] != 'Z'
    except OSError:
        return False
