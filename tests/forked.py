"""Tools in processes that are forked from one in which torch and mmpretrain are imported.

A process of its own spends 4 of its 5 seconds on these imports. All else is real: arguments, exit
code, signals, the two streams.
"""

import atexit
import gc
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]

SERVER = multiprocessing.get_context('forkserver')
SERVER.set_forkserver_preload(
    ['senet_mm.apis.models', 'senet_mm.engine', 'matplotlib.pyplot', 'sklearn.datasets']
)


def _execute(command: list[str], cwd: str, env: dict[str, str], streams: list[str]) -> None:
    """Becomes what ``python *command`` would be."""
    for number, path in enumerate(streams, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    multiprocessing.set_start_method(None, force=True)  # it inherited the server's
    gc.freeze()  # mmengine collects garbage for every data set, among all that is imported
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    np.random.seed()  # the forked state is every process's
    sys.argv[:] = command
    sys.path[0] = str(Path(command[0]).resolve().parent)
    try:
        runpy.run_path(command[0], run_name='__main__')
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out


def run_forked(
    command: list[str], cwd: Path = ROOT, timeout: float = 600, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python *command``.

    Args:
        command: A script and its arguments.
        cwd: The folder to run it in.
        timeout: In seconds.
        **env: Added to the environment, of use where it is read after the imports.
    """
    with tempfile.TemporaryDirectory() as folder:
        streams = [f'{folder}/{name}' for name in ('stdout', 'stderr')]
        arguments = (list(map(str, command)), str(cwd), {**os.environ, **env}, streams)
        process = SERVER.Process(target=_execute, args=arguments)
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(command, timeout)
        printed = [Path(path).read_text() for path in streams]
    return subprocess.CompletedProcess(command, process.exitcode, *printed)


def run_ranks(command: list[str], processes: int) -> list[subprocess.CompletedProcess[str]]:
    """Run ``python *command`` on several ranks, in the environment that torchrun gives them."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    env = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=port, WORLD_SIZE=str(processes))
    env |= dict(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')

    def run(rank: int) -> subprocess.CompletedProcess[str]:
        ranked = dict(env, RANK=str(rank), LOCAL_RANK=str(rank))
        return run_forked([*command, '--launcher', 'pytorch'], **ranked)

    with ThreadPoolExecutor(processes) as pool:
        return list(pool.map(run, range(processes)))
