"""Jobs of a real Slurm that run, are preempted, cancelled, or lose a process."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from tests.blocks import commands_run_by, words_of
from tests.conftest import ROOT
from tests.engine.kills import BASE, CONFIG, differences, story

from .controller import PARTITION, run, wait
from .wait_hook import FOLDER

# An epoch has 7 iterations: jobs are held in the second. Processes agree on a signal before a step
# of the optimizer, so the one that comes while they are held ends them after the next iteration.
HELD, ENDED = 10, 11
HELD_CONFIG = """
_base_ = {base!r}
custom_imports = dict(imports=['tests_slurm.wait_hook'])
custom_hooks = [dict(type='WaitHook', iteration={iteration})]
"""
OPTIONS = {
    **{key: value for key, value in BASE.items() if key not in ('custom_hooks', 'log_level')},
    'train_dataloader.num_workers': 1,
}


# The third command of the page is read by tests/test_commands.py; jobs here submit its script.
TRAIN, TEST, _ = commands_run_by('docs/runs.md', 'test_train_and_test')
RECIPE = 'configs/seresnet/seresnet50_8xb32_in1k.py'


@pytest.fixture(scope='session')
def config(tmp_path_factory):
    """Config of all jobs."""
    file = tmp_path_factory.mktemp('config') / 'digits.py'
    file.write_text(HELD_CONFIG.format(base=str(CONFIG), iteration=HELD))
    return file


def arguments(config: Path, work_dir: Path) -> list[str]:
    """Of tools/train.py."""
    options = [f'{key}={value}' for key, value in OPTIONS.items()]
    return [str(config), '--work-dir', str(work_dir), '--cfg-options', *options]


@pytest.fixture(scope='session')
def whole(config, tmp_path_factory, run_tool):
    """Work directory and output of a training that nothing disturbs."""
    work_dir = tmp_path_factory.mktemp('whole') / 'run'
    _, *options = arguments(config, work_dir)
    meant = {'PARTITION': PARTITION, 'JOB_NAME': 'whole', RECIPE: config}
    command = [*words_of(TRAIN, meant), *options]
    finished = run_tool(*command, PYTHONPATH=str(ROOT), GPUS='0', TASKS='2')
    assert finished.returncode == 0, finished.stderr
    return work_dir, finished


class Job:
    """A job of ``tools/slurm_train.sbatch``.

    Args:
        config: The config.
        folder: Folder for all files of the job.
    """

    def __init__(self, config: Path, folder: Path) -> None:
        self.config, self.folder, self.work_dir = config, folder, folder / 'run'

    def submit(self, *options: str, resume: bool = False, **env: str) -> None:
        """Submit the job.

        Args:
            *options: Options of sbatch.
            resume: Resume, and do not hold the training; else return when it is held.
            **env: Added to the environment.
        """
        if not resume:
            env[FOLDER] = str(self.folder)
        env = {**os.environ, 'PYTHONPATH': str(ROOT), **env}
        env['PATH'] = os.pathsep.join([str(Path(sys.executable).parent), env['PATH']])
        options = ['--parsable', f'--partition={PARTITION}', '--ntasks=2', *options]
        options.append(f'--output={self.folder}/log')
        script = ['tools/slurm_train.sbatch', *arguments(self.config, self.work_dir)]
        script += ['--resume'] * resume
        self.number = subprocess.check_output(
            ['sbatch', *options, *script], cwd=ROOT, env=env, text=True
        ).strip()
        if not resume:
            self.wait(lambda: all(file.exists() and file.read_text() for file in self.files))

    def update(self, setting: str) -> None:
        """Change a setting of the job."""
        subprocess.check_call(['scontrol', 'update', f'JobId={self.number}', setting])

    @property
    def files(self) -> list[Path]:
        """One file for each held process."""
        return [self.folder / f'rank{rank}' for rank in range(2)]

    @property
    def state(self) -> str:
        """Of the job, as Slurm names it."""
        query = ('squeue', '--noheader', '--states=all', '--format=%T', f'--job={self.number}')
        return run(*query).strip()

    @property
    def restarts(self) -> int:
        """How often the job went back into the queue."""
        return int(re.search(r'Restarts=(\d+)', run('scontrol', 'show', 'job', self.number))[1])

    def wait(self, condition: object) -> None:
        """Wait, and show the log if it takes too long."""
        try:
            wait(condition, 'the job goes on')
        except TimeoutError as error:
            raise AssertionError(f'{error}; {self.state}:\n{self.log}') from error

    def wait_for(self, state: str) -> None:
        """Wait until the job has a state, and its processes are gone."""
        self.wait(lambda: self.state in ENDS)
        assert self.state == state, self.log
        for file in self.files:
            self.wait(lambda file=file: not Path('/proc', file.read_text()).exists())

    @property
    def log(self) -> str:
        """What the job has printed."""
        return (self.folder / 'log').read_text()


ENDS = ('COMPLETED', 'FAILED', 'CANCELLED', 'TIMEOUT', 'NODE_FAIL')


@pytest.fixture
def job(config, tmp_path):
    return Job(config, tmp_path)


def test_train_and_test(whole, config, tmp_path, run_tool):
    """By the scripts, on CPUs, on two processes."""
    work_dir, trained = whole
    assert ' x 2 processes' in trained.stdout
    assert trained.stderr == ''
    checkpoint = work_dir / 'epoch_3.pth'
    meant = {'PARTITION': PARTITION, 'JOB_NAME': 'test', RECIPE: config, 'CHECKPOINT': checkpoint}
    command = words_of(TEST, meant)
    options = ['--work-dir', tmp_path, '--cfg-options', 'test_dataloader.dataset.indices=100']
    tested = run_tool(*command, *options, PYTHONPATH=str(ROOT), GPUS='0', TASKS='2')
    assert tested.returncode == 0, tested.stderr
    scores = [
        line[line.index('accuracy') : line.index('data_time')]
        for line in (trained.stdout + tested.stdout).splitlines()
        if 'accuracy/top1: ' in line
    ]
    assert scores[-1] == scores[-2]


def end_time(job):
    """Slurm signals the job some time before its end."""
    job.update('TimeLimit=5')
    job.wait(lambda: job.restarts == 1)
    job.update('TimeLimit=60')


def put_back(job):
    """Slurm puts the job back into the queue, as for another job that comes first."""
    subprocess.check_call(['scontrol', 'requeue', job.number])


@pytest.mark.parametrize(('preempt', 'name'), [(end_time, 'SIGUSR1'), (put_back, 'SIGTERM')])
def test_a_preempted_job_resumes_by_itself(whole, job, preempt, name):
    """It ends as if it had not been preempted."""
    job.submit('--time=60', '--signal=B:USR1@600')
    preempt(job)
    job.wait_for('COMPLETED')
    assert job.restarts == 1
    assert f'interrupted by {name}, saved after iteration {ENDED}' in job.log
    assert differences(story(whole[0]), story(job.work_dir)) == []


def test_a_cancelled_job_is_saved(whole, job):
    """It does not come back by itself; submitted again, it ends as if it had not been cancelled."""
    job.submit()
    run('scancel', job.number)
    job.wait_for('CANCELLED')
    assert torch.load(job.work_dir / 'between.pth', weights_only=False)['meta']['iter'] == ENDED
    job.submit(resume=True)
    job.wait_for('COMPLETED')
    assert differences(story(whole[0]), story(job.work_dir)) == []


def test_a_killed_process_ends_the_job(whole, job):
    """The other one, which waits and notices nothing, ends too; submitted again, it resumes."""
    job.submit(SLURM_WAIT='5')
    os.kill(int(job.files[1].read_text()), signal.SIGKILL)
    job.wait_for('FAILED')
    assert 'task 1: Killed' in job.log
    assert 'ended with code 137; the same sbatch command with --resume' in job.log
    job.submit(resume=True)
    job.wait_for('COMPLETED')
    assert differences(story(whole[0]), story(job.work_dir)) == []


def say(finished):
    """What the processes have printed as errors, without what Slurm adds."""
    return [line for line in finished.stderr.splitlines() if not line.startswith('srun: ')]


def test_an_error_of_all_processes_is_said_once(run_tool):
    command = ['tools/slurm_train.sh', PARTITION, 'job', 'nowhere.py']
    finished = run_tool(*command, PYTHONPATH=str(ROOT), GPUS='0', TASKS='2')
    assert finished.returncode == 1
    (line,) = say(finished)
    assert re.fullmatch(r'error \(rank [01]\): config nowhere.py does not exist', line)
    assert list(Path(tempfile.gettempdir()).glob(f'senet_mm-{os.getuid()}-slurm-*')) == []


def test_an_import_that_never_returns(run_tool, tmp_path):
    """The process is named, and the job ends."""
    text = "import os, time\nif os.environ['RANK'] == '1':\n    time.sleep(600)\n"
    (tmp_path / 'never.py').write_text(text)
    config = tmp_path / 'config.py'
    config.write_text(f'_base_ = {str(CONFIG)!r}\ncustom_imports = dict(imports=["never"])\n')
    command = ['tools/slurm_train.sh', PARTITION, 'job', config, '--work-dir', tmp_path / 'run']
    limits = dict(START_TIMEOUT='3', SLURM_WAIT='2')
    finished = run_tool(*command, PYTHONPATH=str(ROOT), GPUS='0', TASKS='2', **limits)
    assert finished.returncode == 124
    (line,) = say(finished)
    assert line.startswith('error (rank 1): no progress for 3 s before the first iteration')
    assert 'rank 1 is in <module> of never.py:3' in line
