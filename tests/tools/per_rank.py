"""A hook for tests of several processes: every rank saves its model."""

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
