"""Training that can be ended at any instant, and resumed as if it had not been."""

import os
import time
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TypeVar

import mmengine
from mmengine.dist import is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.utils import get_git_hash
from torch import nn

from senet_mm.utils.storage import StorageError, answering_storage

from ..checkpoints import Writer, clean_up, collect_state, snapshot, write_checkpoint
from ..checkpoints.history import remember_history
from ..hooks.checkpoint_hook import CheckpointHook
from ..hooks.class_report_hook import ClassReportHook
from ..hooks.non_finite_hook import NonFiniteHook
from ..hooks.position_hook import PositionHook
from ..hooks.progress_hook import ProgressHook
from ..hooks.stall_hook import StallHook
from ..lock import Lock, locked
from ..place import remember_place
from ..resume import get_checkpoint_folder
from ..summary import describe_end
from ..watch import Interrupted, Watch
from .model import ModelRunner

H = TypeVar('H', bound=Hook)


class InterruptibleRunner(ModelRunner):
    """Saves on signals, writes checkpoints that are whole or not there, resumes exactly.

    Attributes:
        is_validating: Whether a validation is under way, with averaged weights if there are any.
        lock: The lock of the work directory, in training.
        watch: Signals and failures of all processes.
        writer: Writes the checkpoints.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.is_validating = False
        self.lock: Lock | None = None
        self.watch, self.writer = Watch(), Writer()
        super().__init__(*args, **kwargs)

    def register_hooks(self, *args: object, **kwargs: object) -> None:
        """Register hooks, and those that every run has."""
        super().register_hooks(*args, **kwargs)
        self.register_hook(PositionHook())
        self.register_hook(ClassReportHook())
        for kind in (ProgressHook, StallHook):
            if self.find_hook(kind) is None:
                self.register_hook(kind())

    def train(self) -> nn.Module:
        """Train, alone in the work directory.

        Raises:
            ValueError: Another run trains there.
            Interrupted: A signal has ended the run; its state is saved.
            StorageError: The disk is full, read-only or gone.
        """
        with (
            answering_storage(self.work_dir),
            locked(self.work_dir) as self.lock,
            self.watch.listening(),
        ):
            if is_main_process():
                clean_up(
                    self.work_dir, get_checkpoint_folder({**self.cfg, 'work_dir': self.work_dir})
                )
            try:
                model = super().train()
                self.writer.join()
                self.watch.wait_for_all()  # launchers end the others some time after the first
            except Interrupted as interruption:
                self._save_interrupted(interruption)
                raise
            except Exception as error:
                # Raised by a signal within a library that turns all exceptions into its own.
                if isinstance(error.__context__, Interrupted):
                    raise error.__context__ from None
                raise
            finally:
                self.writer.join()
            self._log_cost()
            self.write_end()
            self.logger.info(describe_end(self))
            return model

    def after_iteration(self) -> None:
        """Between two iterations: end or save the run where it is due.

        Raises:
            Interrupted: A process has got a signal.
            StorageError: A checkpoint cannot be written.
        """
        self.watch.has_work = True
        if self.watch.poll(self.writer.has_failed):
            self.writer.join()
            raise StorageError('another process could not write a checkpoint')
        if hook := self.checkpoint_hook:
            hook.save_in_time(self)

    def agree(self, left_out: bool) -> bool:
        """Whether any process leaves out the step of its optimizer; all must call it."""
        return self.watch.ask(self.writer.has_failed, left_out)

    def check_state(self) -> bool:
        """Whether weights and buffers are finite; all processes must call it.

        Raises:
            NonFiniteError: They are not, and the run does not roll back.
        """
        hook = self.find_hook(NonFiniteHook)
        return hook is None or hook.check_state(self)

    @property
    def checkpoint_hook(self) -> CheckpointHook | None:
        """The hook that saves, if the run has one."""
        return self.find_hook(CheckpointHook)

    def find_hook(self, kind: type[H]) -> H | None:
        """The first hook of a class, if the run has one."""
        return next((hook for hook in self.hooks if isinstance(hook, kind)), None)

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: Mapping | None = None,
        by_epoch: bool = True,
        backend_args: dict | None = None,
        wait: bool = True,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Save a checkpoint; all processes must call it.

        Args:
            out_dir: Folder.
            filename: Name of the file.
            file_client_args: Not used; mmengine's signature.
            save_optimizer: Save the state of the optimizer too.
            save_param_scheduler: Save the state of the schedules too.
            meta: More metadata; ``epoch`` and ``iter`` are known by default.
            by_epoch: Whether those defaults are of the end of an epoch that is not counted yet, or
                of such an iteration.
            backend_args: Not used; mmengine's signature.
            wait: Return when the file is whole; else while a thread writes it.
            then: What is to be done when the file is whole.
        """
        place = dict(epoch=self.epoch + by_epoch, iter=self.iter + (not by_epoch))
        meta = {**place, **(meta or {}), **self.metadata, 'seed': self.seed}
        meta['time'] = time.strftime('%Y%m%d_%H%M%S')
        if hasattr(self.train_dataloader.dataset, 'metainfo'):
            meta['dataset_meta'] = self.train_dataloader.dataset.metainfo
        remember_history(self)
        remember_place(self, meta)
        state = collect_state(self, meta, save_optimizer, save_param_scheduler)
        path = os.path.join(out_dir, filename)
        if is_main_process():
            self.writer.submit(lambda: partial(self._write, snapshot(state), path, then))
            if wait:
                self.writer.join()

    @cached_property
    def metadata(self) -> dict:
        """Of all checkpoints; a config takes long to format, and git to ask."""
        return dict(
            cfg=self.cfg.pretty_text,
            experiment_name=self.experiment_name,
            mmengine_version=mmengine.__version__ + get_git_hash(),
        )

    def _write(self, state: dict, path: str, then: Callable[[], None] | None) -> None:
        """Write a checkpoint where no other run has begun; in a thread."""
        if self.lock and self.lock.keep():
            self.write_start()
        write_checkpoint(state, path, then)

    def write_start(self) -> None:
        """Write what a start leaves beside checkpoints and logs."""

    def write_end(self) -> None:
        """Write that the training is complete."""

    def _save_interrupted(self, interruption: Interrupted) -> None:
        """Save where a signal has ended the run."""
        hook = self.checkpoint_hook
        if not self.watch.has_work or hook is None:
            self.logger.info(f'interrupted by {interruption.name}: nothing to save')
            return
        if self.is_validating:
            for averaging in self.hooks:
                if isinstance(averaging, EMAHook) and getattr(averaging, 'evaluate_on_ema', True):
                    averaging._swap_ema_parameters()  # sets the trained weights back
        hook.save_between(self)
        self.writer.join()
        self.watch.wait_for_all()
        self._log_cost()
        option = '' if self.cfg.get('resume') else ' with --resume'
        self.logger.info(
            f'interrupted by {interruption.name}, saved after iteration {self.iter}; the same '
            f'command{option} continues there'
        )

    def _log_cost(self) -> None:
        if self.writer.count:
            self.logger.info(
                f'{self.writer.count} checkpoints took {self.writer.seconds:.1f} s of the training'
            )
