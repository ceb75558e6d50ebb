"""Loaders and loops of training, validation and testing."""

import contextlib

from mmengine.runner import BaseLoop
from torch.utils.data import DataLoader

from senet_mm.engine.weights.adopt import adopt_geometry
from senet_mm.engine.weights.origin import Origin
from senet_mm.utils.errors import answering_memory, working
from senet_mm.utils.start import end_start

from ..classes import align_with_training
from ..data_loader import build_data_loader, check_has_batch, refuse_damage
from ..hooks.progress_hook import ProgressHook
from ..hooks.stall_hook import StallHook
from ..memory import advise
from ..preflight import check_loop
from ..sizing import fit_to_checkpoint
from .model import ModelRunner


class LoopRunner(ModelRunner):
    """A runner whose data sets have the same labels, and whose loops end."""

    # Of the checkpoint from which the runner was built.
    _origin: Origin | None = None
    # The same, or of the checkpoint that is resumed or initialises the network.
    _start: Origin | None = None

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """Build a loader, see :func:`build_data_loader`."""
        if not isinstance(dataloader, DataLoader):
            return build_data_loader(dataloader, seed, diff_rank_seed)
        check_has_batch(dataloader)
        return dataloader

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the loop, by default one of ours."""
        if isinstance(loop, dict) and 'by_epoch' in loop and 'type' not in loop:
            loop = dict(loop)
            by_epoch = loop.pop('by_epoch')
            loop['type'] = 'EpochBasedTrainLoop' if by_epoch else 'IterBasedTrainLoop'
        loop = super().build_train_loop(loop)
        check_loop(loop)
        return as_work(loop, 'train_dataloader')

    def build_val_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the validation loop; its labels follow the names of the training's classes."""
        loop = refuse_damage(super().build_val_loop(loop))
        loop = align_with_training(self, loop, 'the validation set')
        return as_work(loop, 'val_dataloader')

    def build_test_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the test loop; images are resized and cropped as the loaded weights want it.

        Where the runner has trained before, the weights are its own, and labels follow the
        training's classes.
        """
        if self._origin and not self.is_training:
            fit_to_checkpoint(self.cfg, self._origin)
            for line in adopt_geometry(self.cfg, self._origin):
                self.logger.info(line)
            self._test_dataloader = self.cfg.test_dataloader
        loop = refuse_damage(super().build_test_loop(loop))
        loop = align_with_training(self, loop, 'the test set')
        return as_work(loop, 'test_dataloader')


def as_work(loop: BaseLoop, loader: str) -> BaseLoop:
    """A loop that ends when it stalls; its errors are of a run in its middle, not of its config.

    Args:
        loop: The loop.
        loader: The key of its loader in the config.
    """
    run = answering_memory(lambda: advise(loop, loader))(loop.run)

    def work() -> object:
        end_start()
        with working(), contextlib.ExitStack() as stack:
            for hook in loop.runner.hooks:
                if isinstance(hook, StallHook):
                    stack.enter_context(hook.watched())
                if isinstance(hook, ProgressHook):
                    stack.enter_context(hook.shown())
            return run()

    setattr(loop, 'run', work)  # noqa: B010, a method of the class
    return loop
