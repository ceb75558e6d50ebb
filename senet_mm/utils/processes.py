"""How processes of a run end: with their parent, and by which signals."""

import contextlib
import ctypes
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from .shared_folder import SharedFolder

# Signals that end a run in good order.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
# Seconds in which a signal that comes again is the same one: schedulers signal all processes, which
# pass it on, and a terminal that is lost is told by the kernel and by the shell.
SAME = 1.0
# Exit code of a run without progress, as of `timeout`.
STALLED = 124
# Exit code for wrong arguments, of argparse and Python.
USAGE = 2
# In the error file of a process that torchrun started: the error answers the user, so that a
# restart would only repeat it.
FINAL = 'final'
# Environment of processes that the launcher starts: a name of the launch, and its process number.
LAUNCH_NAME = 'SENET_MM_LAUNCH'
LAUNCHER = 'SENET_MM_LAUNCHER'
PR_SET_PDEATHSIG = 1


def taken_signals() -> list[signal.Signals]:
    """Of these signals, those that a process is to take: nohup lets a lost terminal be ignored."""
    is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in SIGNALS if not (is_ignored and number == signal.SIGHUP)]


def end_with_parent(parent: int | None = None) -> None:
    """Let the kernel kill this process when the thread that started it ends, however that is.

    On Linux; elsewhere it does nothing.

    Args:
        parent: Number of the process that started it, which may be gone already.
    """
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if parent is not None and os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def end_with_launcher() -> None:
    """End with the torchrun that started this process, if one did."""
    if 'TORCHELASTIC_RUN_ID' in os.environ:
        launcher = os.environ.pop(LAUNCHER, None)  # what this process starts has another parent
        end_with_parent(None if launcher is None else int(launcher))


_of_step: SharedFolder | None = None


def share_folder() -> None:
    """Open a folder for what the processes of a step of Slurm say here, as torchrun's have one.

    It must be open in all of them before one of them says something and ends.
    """
    global _of_step
    given = os.environ.get
    # A step of one task may be a shell, in which tools run one after the other.
    if int(given('SLURM_STEP_NUM_TASKS', 1)) > 1 and 'TORCHELASTIC_RUN_ID' not in os.environ:
        parts = (given(f'SLURM_{part}', '0') for part in ('JOB_ID', 'STEP_ID', 'RESTART_COUNT'))
        with contextlib.suppress(OSError):
            _of_step = SharedFolder(f'slurm-{".".join(parts)}')


def leave_folder() -> None:
    """This process ends, and says no more."""
    if _of_step:
        _of_step.close()


def is_first_to_say(text: str) -> bool:
    """Whether no other process of this launch has said the same on this machine."""
    if path := os.environ.get('TORCHELASTIC_ERROR_FILE'):
        # Its folder is the process's own; the one above is that of all, and new after a restart.
        folder = Path(path).parents[1]
    elif _of_step:
        folder = _of_step.path
    else:
        return True
    digest = hashlib.sha256(text.encode('utf-8', 'backslashreplace')).hexdigest()
    said = folder / f'said-{digest}'
    try:
        said.touch(exist_ok=False)
    except OSError as error:  # of another kind where the folder cannot be written
        return not isinstance(error, FileExistsError)
    return True


def note_answer(message: str) -> None:
    """Tell the launcher, if there is one, that an error answers the user: no restart."""
    path = os.environ.get('TORCHELASTIC_ERROR_FILE')
    if path:
        # Its folder may be gone, by what cleans /tmp.
        with contextlib.suppress(OSError), open(path, 'w') as file:
            json.dump({'message': message, 'timestamp': int(time.time()), FINAL: True}, file)
