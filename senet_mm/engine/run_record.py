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


def describe_run(runner: 'Runner') -> dict:
    """Command, code, versions, seeds and place of a start."""
    return {
        'command': shlex.join(sys.orig_argv),
        'folder': os.getcwd(),
        'config': runner.cfg.filename,
        'resumed_from': runner._load_from if runner._resume else None,
        'load_from': None if runner._resume else runner._load_from,
        'epoch': runner.epoch,
        'iter': runner.iter,
        'seed': runner.seed,
        'randomness': dict(runner.cfg.get('randomness') or {}),
        'time': time.strftime('%Y-%m-%d %H:%M:%S %z'),
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
