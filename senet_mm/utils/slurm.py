"""The environment that Slurm gives a process, under the names of torch.distributed."""

import os
import subprocess

from .errors import InputError

# Below the ports that Linux gives to clients.
FIRST_PORT, PORTS = 10000, 20000


def use_slurm() -> None:
    """Set ``RANK``, ``LOCAL_RANK``, ``WORLD_SIZE``, and where unset ``MASTER_ADDR`` and ``_PORT``.

    mmengine does so too, but uses port 29500 for all jobs, so that two on a node collide.

    Raises:
        ValueError: This process was not started by ``srun``.
    """
    env = os.environ
    try:
        env['RANK'], env['LOCAL_RANK'] = env['SLURM_PROCID'], env['SLURM_LOCALID']
        env['WORLD_SIZE'], nodes = env['SLURM_STEP_NUM_TASKS'], env['SLURM_STEP_NODELIST']
        job, step = int(env['SLURM_JOB_ID']), int(env['SLURM_STEP_ID'])
    except KeyError as error:
        raise InputError(
            f"launcher='slurm': {error.args[0]} is not set; allowed: start by srun, as "
            'tools/slurm_train.sh does'
        ) from error
    env.setdefault('MASTER_PORT', str(FIRST_PORT + (10 * job + step) % PORTS))
    if 'MASTER_ADDR' not in env:
        command = ['scontrol', 'show', 'hostnames', nodes]
        names = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        env['MASTER_ADDR'] = names.split()[0]
