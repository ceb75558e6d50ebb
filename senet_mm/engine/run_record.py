"""How a training was started: what one needs to start it again, in a small file."""

import functools
import importlib.metadata
import json
import os
import platform
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from mmengine.dist import is_main_process

from senet_mm.utils.device import name_device
from senet_mm.utils.files import atomic_file
from senet_mm.utils.project import PROJECT
from senet_mm.version import __version__

if TYPE_CHECKING:
    from .runner import Runner

RECORD = 'run.json'


def save_run(folder: Path, record: dict) -> None:
    """Write ``run.json`` beside the log of a start of a training.

    Args:
        folder: That of the log.
        record: See :func:`describe_run`.

    Raises:
        OSError: It cannot be written.
    """
    if is_main_process():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(folder / RECORD) as file:
            file.write(json.dumps(record, indent=2).encode())


def format_now() -> str:
    """The time with its zone."""
    return time.strftime('%Y-%m-%d %H:%M:%S %z')


def describe_run(runner: 'Runner') -> dict:
    """Command, code, versions, seeds and place of a start."""
    return {
        'command': shlex.join(with_launcher(sys.orig_argv, os.environ)),
        'folder': os.getcwd(),
        'config': runner.cfg.filename,
        'resumed_from': runner._load_from if runner._resume else None,
        'load_from': None if runner._resume else runner._load_from,
        'epoch': runner.epoch,
        'iter': runner.iter,
        'seed': runner.seed,
        'randomness': dict(runner.cfg.get('randomness') or {}),
        'time': format_now(),
        'host': socket.gethostname(),
        'process': os.getpid(),
        'processes': runner.world_size,
        'device': name_device(),
        'git': {str(folder): read_git(folder) for folder in {PROJECT, Path.cwd()}},
        'senet_mm': __version__,
        'torch': torch.__version__,
        'python': platform.python_version(),
        'packages': list_packages(),
    }


def with_launcher(words: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """The command that starts all processes of a run.

    Args:
        words: The command of one of them.
        environ: Its environment, in which torchrun, Slurm or MPI say how many there are.
    """
    if 'TORCHELASTIC_RUN_ID' in environ:
        nodes = environ.get('GROUP_WORLD_SIZE', '1')
        where = ['--standalone']
        if nodes != '1':
            address = environ.get('MASTER_ADDR', 'localhost')
            where = [
                f'--nnodes={nodes}', '--rdzv-backend=c10d', f'--rdzv-endpoint={address}:29500'
            ]  # fmt: skip
        per_node = f'--nproc-per-node={environ.get("LOCAL_WORLD_SIZE", "1")}'
        # torchrun gives each process -u by itself.
        script = words[2:] if words[1:2] == ['-u'] else words[1:]
        return [words[0], '-m', 'torch.distributed.run', *where, per_node, *script]
    if (tasks := environ.get('SLURM_STEP_NUM_TASKS', '1')) != '1':
        return ['srun', f'--ntasks={tasks}', *words]
    if (processes := environ.get('OMPI_COMM_WORLD_SIZE', '1')) != '1':
        return ['mpirun', '-n', processes, *words]
    return list(words)


def read_git(folder: Path) -> dict | None:
    """Commit of a folder, and whether tracked files differ from it; None where there is no git."""
    commit = _run_git(folder, 'rev-parse', 'HEAD')
    if commit is None:
        return None
    changes = _run_git(folder, 'status', '--porcelain', '--untracked-files=no')
    return {'commit': commit, 'dirty': changes != ''}


def _run_git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None after an error."""
    command = ['git', '--no-optional-locks', '-C', str(folder), *arguments]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() if run.returncode == 0 else None


@functools.cache
def list_packages() -> dict[str, str]:
    """Versions of all installed packages."""
    found = {each.name: each.version for each in importlib.metadata.distributions()}
    return dict(sorted(found.items(), key=lambda item: str(item[0]).lower()))
