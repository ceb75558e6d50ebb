"""Freeze the batch norms at the end of training."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm

from senet_mm.registry import HOOKS
from senet_mm.utils.errors import InputError


@HOOKS.register_module()
class FreezeNormHook(Hook):
    """Freeze statistics, weights and biases of all batch norms for the last epochs.

    Used for SENet-154 (paper, appendix): training then sees the network as testing does.

    Args:
        last_epochs: Number of epochs.

    Raises:
        ValueError: Training has fewer epochs, or is not by epoch.
    """

    frozen = False

    def __init__(self, last_epochs: int) -> None:
        self.last_epochs = last_epochs

    def before_train(self, runner: Runner) -> None:
        epochs = getattr(runner.train_loop, 'max_epochs', 0)
        if not (runner.cfg.train_cfg.get('by_epoch', True) and 0 < self.last_epochs <= epochs):
            raise InputError(
                f'last_epochs={self.last_epochs}; allowed: 1 to {epochs}, the number of epochs, '
                'in training by epoch'
            )
        self.norms = [norm for norm in runner.model.modules() if isinstance(norm, _BatchNorm)]
        runner.optim_wrapper.optimizer.register_step_pre_hook(self._drop_gradients)

    def before_train_epoch(self, runner: Runner) -> None:
        frozen = runner.epoch >= runner.max_epochs - self.last_epochs
        if frozen and not self.frozen:
            runner.logger.info(f'{len(self.norms)} batch norms are frozen from here on')
        self.frozen = frozen

    def before_train_iter(self, runner: Runner, *_: object, **__: object) -> None:
        if self.frozen:  # the epoch has set the whole model to training
            for norm in self.norms:
                norm.eval()

    def _drop_gradients(self, *_: object) -> None:
        """An optimizer passes over a parameter without a gradient: no decay, no momentum.

        With ``requires_grad`` a distributed model would wait for these gradients.
        """
        if self.frozen:
            for norm in self.norms:
                for parameter in norm.parameters(recurse=False):
                    parameter.grad = None
