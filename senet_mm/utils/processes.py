"""How processes of a run end: with their parent, and by which signals."""

import ctypes
import json
import os
import signal
import sys
import time

# Signals that end a run in good order.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
# Exit code of a run without progress, as of `timeout`.
STALLED = 124
# In the error file of a process that torchrun started: the error answers the user, so that a
# restart would only repeat it.
FINAL = 'final'
PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it ends, however that is.

    On Linux; elsewhere it does nothing.
    """
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def note_answer(message: str) -> None:
    """Tell the launcher, if there is one, that an error answers the user: no restart."""
    path = os.environ.get('TORCHELASTIC_ERROR_FILE')
    if path:
        with open(path, 'w') as file:
            json.dump({'message': message, 'timestamp': int(time.time()), FINAL: True}, file)
