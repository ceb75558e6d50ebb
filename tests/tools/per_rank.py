"""A hook for tests of several processes: every rank saves its model."""

import multiprocessing
import os
import signal

import torch
from mmengine.hooks import Hook

from senet_mm.registry import HOOKS


@HOOKS.register_module()
class SavePerRank(Hook):
    def __init__(self, folder):
        self.folder = folder

    def after_train(self, runner):
        model = getattr(runner.model, 'module', runner.model)
        torch.save(model.state_dict(), f'{self.folder}/rank{runner.rank}.pth')


@HOOKS.register_module()
class Accidents(Hook):
    """What happens to rank 1 before an iteration: a kill in the first start, a halt in the second.

    Args:
        at: Number of the iteration.
        halts: Whether there is a halt.
    """

    def __init__(self, at, halts=True):
        self.at, self.halts = at, halts

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.rank == 1 and runner.iter == self.at:
            start = os.environ['TORCHELASTIC_RESTART_COUNT']
            if start == '0':
                os.kill(os.getpid(), signal.SIGKILL)
            if start == '1' and self.halts:
                for worker in multiprocessing.active_children():
                    os.kill(worker.pid, signal.SIGSTOP)
