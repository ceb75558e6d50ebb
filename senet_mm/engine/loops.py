"""Training loops that go on at the iteration, and the validation, where a run was ended."""

from collections.abc import Sequence

from mmengine.runner import BaseLoop
from mmengine.runner import EpochBasedTrainLoop as _EpochBasedTrainLoop
from mmengine.runner import IterBasedTrainLoop as _IterBasedTrainLoop
from torch import nn

from senet_mm.datasets.seeding import SeededSampler
from senet_mm.registry import LOOPS

# In the message hub, which is saved in checkpoints: the iteration after which the last validation
# was.
VALIDATED = 'last_validated_at'


class ValidatingLoop(BaseLoop):
    """What both loops share: each validation that is due is done once.

    Attributes:
        begun: The iteration at which the loop began to read an epoch, or an endless training, and
            the images of it that were trained before.
    """

    begun: tuple[int, int] = (0, 0)
    _iter: int
    val_begin: int
    val_interval: int

    def validate_if_due(self, done: int, end: int) -> None:
        """Validate; after a resume too, where the checkpoint was saved before its validation.

        Args:
            done: Epochs, or iterations, that are done: by what validations are counted.
            end: How many the training has.
        """
        due = done >= self.val_begin and (done % self.val_interval == 0 or done == end)
        seen = self.runner.message_hub.get_info(VALIDATED, 0) == self._iter
        if self.runner.val_loop is not None and self._iter and due and not seen:
            self.runner.val_loop.run()


@LOOPS.register_module()
class IterBasedTrainLoop(ValidatingLoop, _IterBasedTrainLoop):
    """mmengine's loop, which makes up for a validation after a resume."""

    def run(self) -> nn.Module:
        """Train."""
        runner = self.runner
        runner.call_hook('before_train')
        runner.call_hook('before_train_epoch')
        self.validate_if_due(self._iter, self._max_iters)
        if self._iter and not self.fast_forward_on_resume:
            self._skip()
        while self._iter < self._max_iters and not self.stop_training:
            runner.model.train()
            self.run_iter(next(self.dataloader_iterator))
            runner.after_iteration()
            self._decide_current_val_interval()
            self.validate_if_due(self._iter, self._max_iters)
        runner.call_hook('after_train_epoch')
        runner.call_hook('after_train')
        return runner.model

    def _skip(self) -> None:
        """Skip the images that were trained."""
        sampler = self.dataloader.sampler
        if isinstance(sampler, SeededSampler) and sampler.is_endless:
            sampler.start = self.begun[1]
        else:
            self.dataloader_iterator.skip_iter(self._iter)


@LOOPS.register_module()
class EpochBasedTrainLoop(ValidatingLoop, _EpochBasedTrainLoop):
    """mmengine's loop, which after a checkpoint from within an epoch trains the rest of it.

    mmengine would train the whole epoch again and end beyond the last iteration.
    """

    def run(self) -> nn.Module:
        """Train, from the batch after the last one that was trained."""
        self.runner.call_hook('before_train')
        if self._iter == self._epoch * len(self.dataloader):
            self.validate_if_due(self._epoch, self._max_epochs)
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._decide_current_val_interval()
            self.validate_if_due(self._epoch, self._max_epochs)
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """Train an epoch, the first one without the images that were trained before."""
        done, (_, position) = self._iter - self._epoch * len(self.dataloader), self.begun
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        if position:
            self.dataloader.sampler.start = position
        for idx, data_batch in enumerate(self.dataloader, done):
            self.run_iter(idx, data_batch)
        if position:
            self.dataloader.sampler.start = 0
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
        self.begun = self._iter, 0

    def run_iter(self, idx: int, data_batch: Sequence[dict]) -> None:
        """Train one batch, then see whether the run is to be saved or ended."""
        super().run_iter(idx, data_batch)
        self.runner.after_iteration()
