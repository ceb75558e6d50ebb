"""A training of a detector that is ended and resumed equals one that was not, to the bit."""

import multiprocessing
import os
import signal
import sys

import pytest

from ..conftest import load_tool
from ..engine.kills import differences, print_to_log, story
from ..forked import SERVER

OPTIONS = ['--size', 64, '--channels', 8, '--epochs', 3, '--batch-size', 16]


def train(data, work_dir, at, signum):
    """Train; the process sends itself a signal after an iteration."""
    multiprocessing.set_start_method(None, force=True)  # it inherited the server's
    print_to_log(work_dir)
    sys.argv[:] = ['x', *map(str, [data, '--work-dir', work_dir, *OPTIONS])]
    sys.argv += ['--resume', '--cfg-options', 'default_hooks.logger.interval=1']
    from senet_mm.cli import reported_errors
    from senet_mm.engine import Runner

    after_iteration = Runner.after_iteration

    def end_there(runner):
        if runner.iter == at:
            os.kill(os.getpid(), signum)
        after_iteration(runner)

    Runner.after_iteration = end_there
    tool = load_tool('tools/train_detector.py')
    with reported_errors():
        tool.main(tool.parse_args())


def run(*args):
    """The exit code of :func:`train`."""
    process = SERVER.Process(target=train, args=args)
    process.start()
    process.join()
    return process.exitcode


@pytest.fixture(scope='module')
def whole(sample, tmp_path_factory):
    """The story of a training that nobody ends."""
    work_dir = tmp_path_factory.mktemp('whole') / 'run'
    assert run(sample, work_dir, None, None) == 0
    return story(work_dir)


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'code'), [('SIGKILL', -9), ('SIGTERM', 143)])
def test_an_ended_training_equals_one_that_was_not(name, code, sample, whole, tmp_path):
    """Ended within the second of three epochs of six steps."""
    assert {'epoch_3.pth', 'result.json', 'boxes.png'} < whole.keys()
    work_dir = tmp_path / 'run'
    assert run(sample, work_dir, 9, getattr(signal, name)) == code
    assert run(sample, work_dir, None, None) == 0
    assert differences(whole, story(work_dir)) == []
