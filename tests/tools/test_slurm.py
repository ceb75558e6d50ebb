"""What the scripts for Slurm ask of it, and their errors; tests_slurm/ runs real jobs."""

import shutil

import pytest

from ..conftest import ROOT

TRAIN = 'tools/slurm_train.sh'
BATCH = 'tools/slurm_train.sbatch'
SCRIPTS = {
    'tools/slurm.sh': ['train.py', 'main'],
    TRAIN: ['main', 'job'],
    'tools/slurm_test.sh': ['main', 'job', 'config.py'],
    BATCH: [],
}


@pytest.fixture
def cluster(tmp_path):
    """A folder with the commands of a cluster, each of which shows how it was called."""
    commands = {
        'srun': 'echo srun "$@"; echo threads "$OMP_NUM_THREADS", CUDA "${CUDA_VISIBLE_DEVICES-}"',
        'sinfo': 'echo main; echo debug',
        'scontrol': 'echo scontrol "$@"',
    }
    for name, text in commands.items():
        (tmp_path / name).write_text(f'#!/bin/bash\n{text}\n')
        (tmp_path / name).chmod(0o755)
    for name in ('bash', 'dirname', 'grep', 'sed', 'env'):
        (tmp_path / name).symlink_to(shutil.which(name))
    return tmp_path


@pytest.mark.parametrize('script', SCRIPTS)
def test_scripts_say_how_they_are_used(run_tool, script):
    run = run_tool('bash', script, *SCRIPTS[script])
    assert run.returncode == 2
    assert f'{script} ' in run.stderr


ASKED = [
    ({}, '--ntasks=8 --ntasks-per-node=8 --gres=gpu:8 --cpus-per-task=5', 5),
    (dict(GPUS='2'), '--ntasks=2 --ntasks-per-node=2 --gres=gpu:2 --cpus-per-task=5', 5),
    (
        dict(GPUS='16', GPUS_PER_NODE='4', CPUS_PER_TASK='3'),
        '--ntasks=16 --ntasks-per-node=4 --gres=gpu:4 --cpus-per-task=3',
        3,
    ),
    (dict(GPUS='0'), '--ntasks=1 --cpus-per-task=1', 1),
    (dict(GPUS='0', TASKS='4', CPUS_PER_TASK='2'), '--ntasks=4 --cpus-per-task=2', 2),
    (dict(GPUS='0', SRUN_ARGS='--time=5 -v'), '--ntasks=1 --cpus-per-task=1 --time=5 -v', 1),
]


@pytest.mark.parametrize(('env', 'options', 'threads'), ASKED)
def test_what_is_asked_of_slurm(run_tool, cluster, monkeypatch, env, options, threads):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0')
    run = run_tool(TRAIN, 'main,debug', 'job', 'c.py', '--amp', **env, PATH=str(cluster))
    assert run.returncode == 0, run.stderr
    gpu = '' if env.get('GPUS') == '0' else '0'
    assert run.stdout.replace(f'{ROOT}/', '') == (
        f'srun --partition=main,debug --job-name=job {options} python -u tools/train.py c.py '
        f'--amp --launcher slurm\nthreads {threads}, CUDA {gpu}\n'
    )


MISTAKES = [
    (['nowhere'], {}, 'partition nowhere does not exist; allowed: main, debug'),
    (['main,nowhere'], {}, 'partition nowhere does not exist; allowed: main, debug'),
    (['main'], dict(GPUS='two'), 'GPUS=two; allowed: a number, 0 for CPUs'),
    (['main'], dict(GPUS='-1'), 'GPUS=-1; allowed: a number, 0 for CPUs'),
]


@pytest.mark.parametrize(('partition', 'env', 'message'), MISTAKES)
def test_a_mistake_is_one_line(run_tool, cluster, partition, env, message):
    run = run_tool(TRAIN, *partition, 'job', 'config.py', **env, PATH=str(cluster))
    assert (run.returncode, run.stdout, run.stderr) == (2, '', f'error: {message}\n')


def test_slurm_is_not_installed(run_tool, cluster):
    (cluster / 'srun').unlink()
    run = run_tool(TRAIN, 'main', 'job', 'config.py', PATH=str(cluster))
    assert run.returncode == 2
    assert run.stderr.startswith('error: no command srun; allowed: a machine of a slurm cluster')
    assert len(run.stderr.splitlines()) == 1


BATCH_MISTAKES = [
    ({}, ROOT, 'this is no slurm job; allowed: sbatch tools/slurm_train.sbatch'),
    (dict(SLURM_JOB_ID='7'), ROOT / 'tests', 'no tools/train.py in '),
]


@pytest.mark.parametrize(('env', 'folder', 'message'), BATCH_MISTAKES)
def test_a_mistake_in_a_job_is_one_line(run_tool, cluster, env, folder, message):
    run = run_tool('bash', ROOT / BATCH, 'config.py', cwd=folder, **env, PATH=str(cluster))
    assert run.returncode == 2
    assert run.stderr.startswith(f'error: {message}')
    assert len(run.stderr.splitlines()) == 1


ENDS = [
    (0, False, ''),
    (138, True, ''),
    (143, False, 'ended with code 143'),
    (1, False, 'ended with code 1;'),
]


@pytest.mark.parametrize(('code', 'requeued', 'line'), ENDS)
def test_which_job_goes_back_into_the_queue(run_tool, cluster, code, requeued, line):
    text = f'#!/bin/bash\nprintf "%s|" "$@"\necho\nexit {code}\n'
    (cluster / 'srun').write_text(text)
    env = dict(SLURM_JOB_ID='7', SLURM_CPUS_PER_TASK='3', PATH=str(cluster))
    run = run_tool('bash', BATCH, 'config.py', '--resume', 'a b.pth', **env)
    asked = '--cpus-per-task=3|python|-u|tools/train.py|config.py|--resume|a b.pth|'
    expected = [f'{asked}--launcher|slurm|']
    assert run.stdout.splitlines() == expected + ['scontrol requeue 7'] * requeued
    assert run.returncode == (0 if requeued else code)
    assert run.stderr.startswith(line)
    assert len(run.stderr.splitlines()) == bool(line)
