"""A Slurm of one node with two CPUs, for tests: munged, slurmctld and slurmd of this machine."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

COMMANDS = ('munged', 'slurmctld', 'slurmd', 'srun')
PARTITION = 'main'
CONFIG = """
ClusterName=test
SlurmctldHost={host}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
# A job that was put back into the queue starts again after cred_expire seconds; 5 is the least.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
NodeName={host} CPUs=2
PartitionName={partition} Nodes={host} Default=YES
"""


def why_not() -> str | None:
    """Why this machine cannot run it; None if it can."""
    missing = [command for command in COMMANDS if shutil.which(command) is None]
    if missing:
        return f'no command {", ".join(missing)}; allowed: apt-get install slurm-wlm munge'
    return None if os.getuid() == 0 else 'this user is not root; allowed: root'


@contextlib.contextmanager
def running(folder: Path) -> Iterator[None]:
    """Start the three daemons, set ``SLURM_CONF``; in the end cancel all jobs and stop them."""
    with socket.socket() as first, socket.socket() as second:
        for free in (first, second):
            free.bind(('127.0.0.1', 0))
        ports = [free.getsockname()[1] for free in (first, second)]
    for name in ('state', 'spool'):
        (folder / name).mkdir()
    key, config = folder / 'munge.key', folder / 'slurm.conf'
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    text = CONFIG.format(
        host=socket.gethostname().split('.')[0], ports=ports, folder=folder, partition=PARTITION
    )
    config.write_text(text)
    files = [f'--{name}-file={folder}/munge.{name}' for name in ('key', 'pid', 'log', 'seed')]
    # --force: temporary folders may be written by everybody.
    munged = ['munged', '--foreground', '--force', f'--socket={folder}/munge.socket', *files]
    os.environ['SLURM_CONF'] = str(config)
    daemons = []
    try:
        for command in (munged, ['slurmctld', '-D'], ['slurmd', '-D']):
            with open(folder / f'{command[0]}.out', 'w') as log:
                daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
            if command is munged:
                wait(lambda: (folder / 'munge.socket').exists(), 'munged starts', 60)
        wait(lambda: run('sinfo', '--noheader', '--format=%t') == 'idle\n', 'node is idle', 60)
        yield
    finally:
        run('scancel', '--signal=KILL', f'--partition={PARTITION}')
        with contextlib.suppress(TimeoutError):
            wait(lambda: run('squeue', '--noheader') == '', 'jobs end', 30)
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)
        del os.environ['SLURM_CONF']


def run(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, capture_output=True, text=True).stdout


def wait(condition: object, what: str, seconds: float = 300) -> None:
    """Wait until a function returns a true value.

    Raises:
        TimeoutError: It does not, for so many seconds.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f'not within {seconds} s: {what}')
        time.sleep(0.1)
