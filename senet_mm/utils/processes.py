"""How processes of a run end: with their parent, and by which signals."""

import ctypes
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

# Signals that end a run in good order.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
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


def is_first_to_say(text: str) -> bool:
    """Whether no other process that torchrun started here has said the same since their start."""
    path = os.environ.get('TORCHELASTIC_ERROR_FILE')
    if not path:
        return True
    # Its folder is the process's own; the one above is that of all, and a new one after a restart.
    digest = hashlib.sha256(text.encode('utf-8', 'backslashreplace')).hexdigest()
    said = Path(path).parents[1] / f'said-{digest}'
    try:
        said.touch(exist_ok=False)
    except OSError as error:  # of another kind where the folder cannot be written
        return not isinstance(error, FileExistsError)
    return True


def note_answer(message: str) -> None:
    """Tell the launcher, if there is one, that an error answers the user: no restart."""
    path = os.environ.get('TORCHELASTIC_ERROR_FILE')
    if path:
        with open(path, 'w') as file:
            json.dump({'message': message, 'timestamp': int(time.time()), FINAL: True}, file)
