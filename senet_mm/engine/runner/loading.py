"""Checkpoints: what a run starts from, continues, and writes."""

import contextlib
from functools import cached_property
from pathlib import Path

from mmengine.runner import CheckpointLoader

from senet_mm.config.own_modules import copy_modules
from senet_mm.engine.weights.adopt import check_normalisation
from senet_mm.engine.weights.checkpoint import fit_checkpoint, load_strictly
from senet_mm.engine.weights.origin import check_network, read_origin
from senet_mm.engine.weights.preprocessing import describe_preprocessing
from senet_mm.engine.weights.record import describe_training
from senet_mm.engine.weights.training_state import check_training_state

from ..balance import set_up_balance
from ..checkpoints import restore_state
from ..checkpoints.history import carry_history
from ..classes import compare_checkpoint
from ..preflight import check_run
from ..recomputation import set_up_recomputation
from ..replay import follow_config, get_plan
from ..resume import Resumed, get_seed, open_checkpoint, relocate
from ..run_record import describe_run, format_now, save_run
from ..sizing import keep_split
from .interruptible import InterruptibleRunner


class LoadingRunner(InterruptibleRunner):
    """A runner that loads what fits exactly, and resumes by the config."""

    # The checkpoint of a resumed run, until it is loaded.
    _resumed: Resumed | None = None
    _randomness_cfg: dict  # mmengine's

    def __init__(
        self,
        *args: object,
        load_from: str | None = None,
        resume: bool | str = False,
        **kwargs: object,
    ) -> None:
        # Upstream sets them after the seed, which depends on them.
        self._load_from, self._resume = load_from, resume
        super().__init__(*args, load_from=load_from, resume=resume, **kwargs)

    def set_randomness(self, seed: int | None = None, **kwargs: object) -> None:
        """Seed all generators; a run that is resumed keeps the seed with which it began."""
        if self._resume and not hasattr(self, '_seed'):
            given = dict(work_dir=self.work_dir, load_from=self._load_from, resume=self._resume)
            self._resumed = open_checkpoint({**self.cfg, **given})
            if self._resumed:
                seed = get_seed(self._resumed, seed)
                self._randomness_cfg = {**self._randomness_cfg, 'seed': seed}
        super().set_randomness(seed, **kwargs)

    def load_or_resume(self) -> None:
        """Load or resume; training that starts from ``load_from`` may change the class count."""
        training = self.is_training
        self._choose_checkpoint(training)
        if training and self._load_from and not self._resume and not self._has_loaded:
            self.load_checkpoint(self._load_from, new_head=True)
        super().load_or_resume()
        self._resumed = None
        if training:
            set_up_recomputation(self)
        check_run(self)
        if training:
            set_up_balance(self)
            self.write_start()

    def _choose_checkpoint(self, training: bool) -> None:
        """Resume where a checkpoint was found, else load from ``load_from``."""
        if not training:  # a test resumes nothing, even with `resume` in its config
            self._resume, self._resumed = False, None
        if self._resumed:
            self._load_from = self._resumed.filename
        elif self._resume and not self._has_loaded:
            self.logger.info(f'no checkpoint in {self.work_dir} yet: training starts')
        self._resume = self._resumed is not None

    def write_start(self) -> None:
        """Write config and record of a training, and the user's modules beside each config."""
        super().dump_config()
        save_run(Path(self.log_dir), self.start_record)
        keep_split(self)
        copy_modules(self.work_dir)
        for config in Path(self.log_dir).glob('*/config.py'):  # the visualizer's
            copy_modules(config.parent)

    def write_end(self) -> None:
        """Write into the record of the start that the training is complete, and where."""
        ended = dict(time=format_now(), epoch=self.epoch, iter=self.iter)
        # As a log that cannot be written, it costs a complete training nothing.
        with contextlib.suppress(OSError):
            save_run(Path(self.log_dir), {**self.start_record, 'ended': ended})

    def dump_config(self) -> None:
        """Write nothing yet: a test must not overwrite the config of the training."""

    def resume(self, filename: str, *args: object, **kwargs: object) -> None:
        """Resume from a checkpoint, by the present config."""
        plan = get_plan(self)
        super().resume(filename, *args, **kwargs)
        relocate(self)
        restore_state(self, self._resumed.checkpoint if self._resumed else {})
        carry_history(self)
        follow_config(self, plan)

    def load_checkpoint(
        self,
        filename: str,
        map_location: str = 'cpu',
        *args: object,
        new_head: bool = False,
        **kwargs: object,
    ) -> dict:
        """Load a checkpoint that must fit exactly, see :func:`load_strictly`.

        Args:
            filename: Path or URL.
            map_location: Device to which tensors are read.
            *args: Not used; mmengine's signature.
            new_head: Leave a head of another class count as initialised, and adapt the stem to
                images of another number of channels.
            **kwargs: Not used; mmengine's signature.
        """
        if self._resumed:
            checkpoint = self._resumed.checkpoint
        else:
            checkpoint = CheckpointLoader.load_checkpoint(filename, map_location, logger='silent')
        origin = read_origin(checkpoint, filename)
        check_network(self.cfg, origin, new_head, new_stem=new_head)
        check_normalisation(self.cfg, origin)
        model = self.bare_model
        # All is checked before the hooks, one of which fills the averaged weights.
        checkpoint = fit_checkpoint(checkpoint, model, filename, new_head, new_stem=new_head)
        if self._resume:
            checkpoint = check_training_state(checkpoint, filename, self)
        compare_checkpoint(self, checkpoint, filename)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        load_strictly(model, checkpoint, filename)
        self._has_loaded = True
        self.logger.info(f'loaded {filename}')
        return checkpoint

    @cached_property
    def start_record(self) -> dict:
        """How the training was started."""
        return describe_run(self)

    @cached_property
    def metadata(self) -> dict:
        """Checkpoints also record how images were prepared, and where the weights are from."""
        loader = 'val_dataloader' if self.cfg.get('val_dataloader') else 'test_dataloader'
        return {
            **super().metadata,
            'preprocessing': describe_preprocessing(self.cfg, loader),
            **describe_training(self.cfg, self._start, resumes=bool(self._resume)),
        }
