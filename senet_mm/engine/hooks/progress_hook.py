"""Shows where a run is: bars on a terminal, a plain line in a pipe where it is silent for long."""

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sized
from typing import TYPE_CHECKING

import torch
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, EpochBasedTrainLoop

from senet_mm.engine.summary import describe_best, describe_start
from senet_mm.registry import HOOKS
from senet_mm.utils.names import format_number
from senet_mm.utils.progress import ProgressBar

if TYPE_CHECKING:
    from senet_mm.engine.runner import Runner

# Iterations over which the rate is measured.
WINDOW = 50
# In the log and the scalars. Kept by the message hub, as times are.
RATE = 'train/images_per_s'
# Seconds between changes of the line below the bars.
TICK = 0.25
# Name of the bar of an epoch.
EPOCH = 'epoch'


@HOOKS.register_module()
class ProgressHook(Hook):
    """Bars for training, epoch, validation and test, and the numbers of the last iteration.

    It also logs a table of the run at the start, and ``images_per_s``, images of all processes by
    the time of the last 50 iterations.
    """

    # After IterTimerHook, which measures, and before LoggerHook.
    priority = 'NORMAL'

    def __init__(self) -> None:
        self._bars: dict[str, ProgressBar] = {}
        # Of an iteration: images, seconds, seconds that it waited for data.
        self._past: deque[tuple[int, float, float]] = deque(maxlen=WINDOW)
        self._noted = 0.0
        self._rate = self._waiting = 0.0
        # Seconds of the last validation, and when the one under way began.
        self._validation: float | None = None
        self._began = 0.0

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Within it there are bars; those that are left at its end are taken away."""
        outer = set(self._bars)
        try:
            yield
        finally:
            for name in [name for name in self._bars if name not in outer][::-1]:
                self._close(name)

    def before_train(self, runner: 'Runner') -> None:
        """Show the whole training."""
        runner.logger.info(describe_start(runner))
        loop = runner.train_loop
        self._open('training', loop.max_iters, 'iterations', loop.iter)

    def before_train_epoch(self, runner: 'Runner') -> None:
        """Show the epoch."""
        loop = runner.train_loop
        if isinstance(loop, EpochBasedTrainLoop):
            size = len(loop.dataloader)
            done = loop.iter - loop.epoch * size
            self._open(EPOCH, size, 'iterations', done, f'epoch {loop.epoch + 1}/{loop.max_epochs}')

    def after_train_iter(
        self, runner: 'Runner', batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Measure the rate, and show the numbers."""
        hub = runner.message_hub
        times = [hub.get_scalar(f'train/{name}').current() for name in ('time', 'data_time')]
        self._past.append((count_images(data_batch) * runner.world_size, *times))
        images, seconds, waited = map(sum, zip(*self._past, strict=True))
        if seconds:
            self._rate, self._waiting = images / seconds, waited / seconds
        if self._rate:
            hub.update_scalar(RATE, self._rate)
        left = self._measure_left(runner, seconds / len(self._past))
        hub.update_info('eta', left)  # mmengine's leaves out the validations
        for name in ('training', EPOCH):
            if bar := self._bars.get(name):
                bar.advance()
        if bar := self._bars.get('training'):
            bar.expect(left)
        if time.monotonic() - self._noted >= TICK:
            self._note(runner)

    def after_train_epoch(self, runner: 'Runner') -> None:
        """The epoch is over."""
        self._close(EPOCH)

    def before_val_epoch(self, runner: 'Runner') -> None:
        """Show a validation."""
        self._began = time.monotonic()
        self._open('validation', len(runner.val_dataloader), 'batches')

    def after_val_iter(self, runner: 'Runner', *args: object, **kwargs: object) -> None:
        """A batch is evaluated."""
        self._bars['validation'].advance()

    def after_val_epoch(self, runner: 'Runner', metrics: Mapping[str, float] | None = None) -> None:
        """The validation is over."""
        self._validation = time.monotonic() - self._began
        self._close('validation')

    def after_val(self, runner: 'Runner') -> None:
        """The best score may be another one."""
        self._note(runner)

    def before_test(self, runner: 'Runner') -> None:
        """Describe a test."""
        if not runner.is_training:
            runner.logger.info(describe_start(runner))

    def before_test_epoch(self, runner: 'Runner') -> None:
        """Show a test."""
        self._open('test', len(runner.test_dataloader), 'batches')

    def after_test_iter(self, runner: 'Runner', *args: object, **kwargs: object) -> None:
        """A batch is tested."""
        self._bars['test'].advance()

    def after_test_epoch(
        self, runner: 'Runner', metrics: Mapping[str, float] | None = None
    ) -> None:
        """The test is over."""
        self._close('test')

    def _measure_left(self, runner: 'Runner', step: float) -> float:
        """Seconds until the end of the training, validations included.

        Args:
            runner: The runner, within an iteration.
            step: Seconds of an iteration.
        """
        loop = runner.train_loop
        seconds = step * (loop.max_iters - loop.iter - 1)
        if runner.val_loop is None:
            return seconds
        one = self._validation
        if one is None:  # none yet: as if an image took as long as in training
            sampler = getattr(runner.val_dataloader, 'sampler', None)
            images = len(sampler) * runner.world_size if isinstance(sampler, Sized) else 0
            one = images / self._rate if self._rate else 0.0
        return seconds + one * count_validations(loop)

    def _note(self, runner: 'Runner') -> None:
        """Show the numbers of now below the bar of the training."""
        if bar := self._bars.get('training'):
            self._noted = time.monotonic()
            bar.note(describe_numbers(runner, self._rate, self._waiting))

    def _open(
        self, name: str, total: int, unit: str, done: int = 0, what: str | None = None
    ) -> None:
        self._close(name)
        rated = unit != 'iterations'  # whose rate is in images
        self._bars[name] = ProgressBar(what or name, total, unit, done, rated).__enter__()

    def _close(self, name: str) -> None:
        if bar := self._bars.pop(name, None):
            bar.__exit__()


def count_validations(loop: BaseLoop) -> int:
    """Validations to come in a training, within an iteration of it."""
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    done, end = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
    first = max(done + 1, loop.val_begin)
    regular = end // loop.val_interval - (first - 1) // loop.val_interval
    return max(0, regular) + (end >= first and end % loop.val_interval != 0)


def count_images(batch: object) -> int:
    """Images of a batch as a loader gives it; 0 where that is not known."""
    inputs = batch.get('inputs') if isinstance(batch, Mapping) else None
    return len(inputs) if isinstance(inputs, Sized) else 0


def describe_numbers(runner: 'Runner', rate: float, waiting: float) -> str:
    """``loss 0.23  lr 0.0982  3,120 images/s  data wait 3 %  memory 512 MiB  best 97.2 (epoch 2)``.

    Args:
        runner: The runner, after an iteration.
        rate: Images a second.
        waiting: Share of the time for which the network waited for data.
    """
    scalars = runner.message_hub.log_scalars
    parts = [
        f'{name} {scalars[f"train/{name}"].current():.4g}'
        for name in ('loss', 'lr')
        if f'train/{name}' in scalars
    ]
    if rate:
        parts.append(f'{format_number(rate)} images/s')
    parts.append(f'data wait {waiting:.0%}'.replace('%', ' %'))
    if torch.cuda.is_available():
        parts.append(f'memory {torch.cuda.max_memory_allocated() / 2**20:,.0f} MiB')
    if best := describe_best(runner):
        parts.append(best)
    return '  '.join(parts)
