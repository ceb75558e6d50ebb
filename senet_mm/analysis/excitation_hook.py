"""Record the gates of a network while it is validated or tested."""

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.dist import get_dist_info
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from senet_mm.datasets.batch import SampleBatch
from senet_mm.registry import HOOKS
from senet_mm.utils.errors import InputError

from .excitation import Excitation, GateRecorder
from .excitation_report import examine, write_csv
from .names import find_class, find_gates


@HOOKS.register_module()
class ExcitationHook(Hook):
    """Record the gates per class and block in validation and testing.

    Afterwards ``excitation`` holds them (see :class:`senet_mm.analysis.Excitation`),
    ``excitation.csv`` is written, and the log names saturated and dead channels. On several
    processes each image counts once: samples that the sampler repeats to fill up are left out.

    Args:
        classes: Names or indices of the classes to record one by one, by default each.
        out_dir: Folder of ``excitation.csv``, by default the work directory.
        thresholds: A gate below the first or above the second is saturated.
        dead_std, saturated_share: See :func:`senet_mm.analysis.examine`.

    Raises:
        ValueError: The network has no gates, the data set no such class, or an image no single
            label.
    """

    excitation: Excitation | None = None

    def __init__(
        self,
        classes: Sequence[str | int] | None = None,
        out_dir: str | None = None,
        thresholds: tuple[float, float] = (0.01, 0.99),
        dead_std: float = 1e-3,
        saturated_share: float = 0.99,
    ) -> None:
        self.classes = classes
        self.out_dir = out_dir
        self.thresholds = thresholds
        self.dead_std = dead_std
        self.saturated_share = saturated_share

    def before_run(self, runner: Runner) -> None:
        """Look for the gates before training: an error must not come after the first epoch."""
        find_gates(runner.model)

    def _before_epoch(self, runner: Runner, mode: str = 'train') -> None:
        if mode == 'train':
            return
        dataset = (runner.val_dataloader if mode == 'val' else runner.test_dataloader).dataset
        names = dataset.metainfo.get('classes')
        if not names:
            raise InputError('the data set names no classes; set metainfo=dict(classes=[...])')
        classes = None
        if self.classes is not None:
            classes = [find_class(given, names) for given in self.classes]
        self.recorder = GateRecorder(runner.model, names, classes, self.thresholds)
        rank, world_size = get_dist_info()
        self.remaining = len(range(rank, len(dataset), world_size))

    def _before_iter(
        self, runner: Runner, batch_idx: int, data_batch: SampleBatch, mode: str = 'train'
    ) -> None:
        if mode == 'train':
            return
        labels = get_labels(data_batch['data_samples'])
        # Samples beyond this rank's share of the data set are repetitions.
        self.recorder.labels = labels[: self.remaining]
        self.remaining -= len(self.recorder.labels)

    def _after_epoch(self, runner: Runner, mode: str = 'train') -> None:
        if mode == 'train':
            return
        self.recorder.remove()
        self.excitation = self.recorder.excitation.gathered()
        if runner.rank == 0:
            self._report(runner, self.excitation)

    def _report(self, runner: Runner, excitation: Excitation) -> None:
        """Write the numbers; log what is wrong with the gates."""
        folder = Path(self.out_dir or runner.work_dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(excitation, folder / 'excitation.csv')
        runner.logger.info(f'gates written to {folder / "excitation.csv"}')
        for label, count in excitation.counts.items():
            if self.classes is not None and not count:
                runner.logger.warning(f'no image of class {excitation.names[label]!r}')
        reports = examine(excitation, self.dead_std, self.saturated_share)
        summaries = [report.summary for report in reports if report.summary]
        for line in summaries or ['gates: no channel is saturated or dead']:
            runner.logger.info(line)


def get_labels(data_samples: Sequence) -> Tensor:
    """Labels (N,) of a batch.

    Args:
        data_samples: The samples, or, where scores are averaged over views, those of each view.

    Raises:
        ValueError: An image has no label, or several.
    """
    if isinstance(data_samples[0], Sequence):
        data_samples = data_samples[0]
    labels = [sample.get('gt_label') for sample in data_samples]
    if any(label is None or label.numel() != 1 for label in labels):
        raise InputError('gates are recorded by class; allowed: data with one label per image')
    return torch.cat(labels).cpu()
