"""A hook for jobs that tests signal: it makes the instant certain."""

import os
import time
from pathlib import Path

from mmengine.hooks import Hook

from senet_mm.registry import HOOKS

# The environment variable with the folder to which each held process writes its number.
FOLDER = 'HELD_PROCESSES'


@HOOKS.register_module()
class WaitHook(Hook):
    """Holds a run at an iteration until a signal has come.

    Args:
        iteration: After how many iterations; a run that resumes later is not held.
    """

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 != self.iteration or FOLDER not in os.environ:
            return
        Path(os.environ[FOLDER], f'rank{runner.rank}').write_text(str(os.getpid()))
        while not runner.watch.signum:
            time.sleep(0.05)
