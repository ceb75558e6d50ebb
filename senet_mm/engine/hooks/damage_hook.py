"""Damaged training images: each is logged once, all are counted, too many stop the training."""

import itertools
from collections.abc import Sequence

from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from senet_mm.datasets.damage import DamagedImageError
from senet_mm.registry import HOOKS


@HOOKS.register_module()
class DamagedImagesHook(Hook):
    """Report the images that were replaced in training, and stop when they are too many.

    Counts distinct images, not occurrences. Each process counts separately; at the end of an epoch
    the counts are merged, and images that only other processes saw are logged too. In validation
    and testing no image is replaced, see :class:`.SeededDataset`.

    Args:
        share: Part of the training set that may be damaged.
        at_least: Number that may be damaged in a set of any size.

    Raises:
        ValueError: An argument is out of range.
        DamagedImageError: More images than allowed are damaged.
    """

    def __init__(self, share: float = 0.001, at_least: int = 10) -> None:
        if not 0 <= share <= 1 or at_least < 0:
            raise ValueError(
                f'share={share} at_least={at_least}: allowed: share from 0 to 1, at_least from 0'
            )
        self.share = share
        self.at_least = at_least
        self.damaged: dict[str, None] = {}

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Log and count what was replaced in the batch."""
        self._add(runner, getattr(runner.train_dataloader, 'damaged', ()))

    def after_train_epoch(self, runner: Runner) -> None:
        """Merge what all processes found, and log the number."""
        for images in all_gather_object(list(self.damaged)):
            self._add(runner, images)
        if self.damaged:
            runner.logger.warning(
                f'{len(self.damaged)} of {len(runner.train_dataloader.dataset)} images of the '
                'training set were found damaged so far'
            )

    def state_dict(self) -> dict:
        """What each process has found; all of them must call it."""
        return dict(damaged=all_gather_object(list(self.damaged)))

    def load_state_dict(self, state: dict) -> None:
        """Count on from a state of :meth:`state_dict`; on other processes, each from all of it."""
        ranks = state['damaged']
        own = ranks[get_rank()] if len(ranks) == get_world_size() else itertools.chain(*ranks)
        self.damaged = dict.fromkeys(own)

    def _add(self, runner: Runner, images: Sequence[str]) -> None:
        for image in images:
            if image not in self.damaged:
                runner.logger.warning(f'damaged image {image}; another one takes its place')
                self.damaged[image] = None
                self._check(runner)

    def _check(self, runner: Runner) -> None:
        total = len(runner.train_dataloader.dataset)
        allowed = max(self.at_least, int(self.share * total))
        if len(self.damaged) > allowed:
            raise DamagedImageError(
                f'training stopped: {len(self.damaged)} damaged images, the last of them '
                f'{list(self.damaged)[-1]}; allowed: {allowed} (share={self.share} of {total}, '
                f'at_least={self.at_least}, of default_hooks.damaged_images); '
                'tools/dataset_tools/verify.py lists them all'
            )
