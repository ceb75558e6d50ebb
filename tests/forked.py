"""Tools in processes that are forked from one in which torch and mmpretrain are imported.

A process of its own spends 4 of its 5 seconds on these imports. All else is real: arguments, exit
code, signals, the two streams.
"""

import atexit
import gc
import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np

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
    sys.path[0] = str(Path(command[0]).parent.absolute())
    try:
        runpy.run_path(command[0], run_name='__main__')
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out


def run_forked(
    command: list[str], cwd: Path, folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run ``python *command``.

    Args:
        command: A script and its arguments.
        cwd: The folder to run it in.
        folder: For files with what it prints.
        timeout: In seconds.
    """
    streams = [str(folder / name) for name in ('.stdout', '.stderr')]
    process = SERVER.Process(target=_execute, args=(command, str(cwd), dict(os.environ), streams))
    process.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        raise subprocess.TimeoutExpired(command, timeout)
    printed = [Path(path).read_text() for path in streams]
    return subprocess.CompletedProcess(command, process.exitcode, *printed)
