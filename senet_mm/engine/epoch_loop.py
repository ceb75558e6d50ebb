"""Training by epochs that can be resumed within an epoch."""

from mmengine.runner import EpochBasedTrainLoop as _EpochBasedTrainLoop
from torch import nn

from senet_mm.datasets.seeding import SeededSampler
from senet_mm.registry import LOOPS
from senet_mm.utils.errors import InputError

# In the message hub, which is saved in checkpoints.
BATCHES = 'batches_per_epoch'


@LOOPS.register_module()
class EpochBasedTrainLoop(_EpochBasedTrainLoop):
    """mmengine's loop, which after a checkpoint from within an epoch trains the rest of it.

    mmengine would train the whole epoch again and end beyond the last iteration. A checkpoint
    comes from within an epoch where ``CheckpointHook`` has ``by_epoch=False``.
    """

    def run(self) -> nn.Module:
        """Train, from the batch after the last one that was trained.

        Raises:
            ValueError: The rest of an epoch cannot be told: it had another number of batches.
        """
        hub, batches = self.runner.message_hub, len(self.dataloader)
        before = hub.get_info(BATCHES, 0)  # 0: a new run, or a checkpoint of another project
        hub.update_info(BATCHES, batches)
        self._done = self._iter - self._epoch * before if before else 0
        skips = isinstance(self.dataloader.sampler, SeededSampler)
        if self._done and (before != batches or not skips):
            raise InputError(
                f'the checkpoint was saved after {self._done} of {before} batches of an epoch that '
                f'has {batches} now; allowed: batch size and number of processes as they were, no '
                'batch_sampler, or a checkpoint from the end of an epoch'
            )
        return super().run()

    def run_epoch(self) -> None:
        """Train an epoch, the first one without the batches that were trained before."""
        done, self._done = self._done, 0
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        if done:
            self.dataloader.sampler.start = done * self.dataloader.batch_size
        for idx, data_batch in enumerate(self.dataloader, done):
            self.run_iter(idx, data_batch)
        if done:
            self.dataloader.sampler.start = 0
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
