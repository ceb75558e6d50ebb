"""mmengine's runner, with its traps filled in."""

import copy
import logging
import re
import warnings
from functools import cached_property
from pathlib import Path

import mmengine
import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import BaseLoop, CheckpointLoader
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from senet_mm.config.keys import check_keys
from senet_mm.config.own_modules import copy_modules
from senet_mm.engine.weights.adopt import adopt_geometry, adopt_normalisation, check_normalisation
from senet_mm.engine.weights.checkpoint import fit_checkpoint, load_strictly
from senet_mm.engine.weights.origin import (
    Origin,
    check_network,
    find_pretrained,
    load_origin,
    read_origin,
)
from senet_mm.engine.weights.preprocessing import check_preprocessor, describe_preprocessing
from senet_mm.engine.weights.training_state import check_training_state
from senet_mm.models.recalibration import summarize
from senet_mm.registry import RUNNERS
from senet_mm.version import __version__

from .checkpoints import restore_state
from .checkpoints.history import carry_history
from .classes import align_with_training, compare_checkpoint
from .data_loader import build_data_loader, check_has_batch, refuse_damage
from .interruptible import InterruptibleRunner
from .network_names import check_names
from .preflight import check_loop, check_run
from .recomputation import check_paths, set_up_recomputation
from .replay import follow_config, get_plan
from .resume import Resumed, find_resumed, get_seed, open_checkpoint, relocate
from .speed import (
    compile_regions,
    compiles,
    fuse_for_training,
    use_channels_last,
    use_tf32,
    use_threads,
)

# Upstream's messages about which a user can do nothing.
NOISE = re.compile(
    r'Distributed training is not used, all SyncBatchNorm'
    r'|Because batch augmentations are enabled'
    r'|"FileClient" will be deprecated'
    r'|"HardDiskBackend" is the alias'
    r'|paramwise_options --'
    r'|Exp name: '
    r'|Checkpoints will be saved to'
    r'|The previous best checkpoint'
)

# Hooks of every runner; mmengine takes None for these names alone.
UPSTREAM_HOOKS = {
    'checkpoint', 'logger', 'param_scheduler', 'runtime_info', 'sampler_seed', 'timer',
}  # fmt: skip


@RUNNERS.register_module()
class Runner(InterruptibleRunner):
    """mmengine's runner that runs on any device, loads strictly and logs briefly."""

    # Of the checkpoint from which the runner was built.
    _origin: Origin | None = None
    # What a resumed run goes on from, until it is loaded.
    _resumed: Resumed | None = None
    _randomness_cfg: dict  # mmengine's

    def __init__(
        self,
        *args: object,
        load_from: str | None = None,
        resume: bool | str = False,
        **kwargs: object,
    ) -> None:
        # Upstream sets them after the seed, which hangs on them.
        self._load_from, self._resume = load_from, resume
        super().__init__(*args, load_from=load_from, resume=resume, **kwargs)

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'Runner':
        """Build a runner; images are normalised as the weights that it starts from want it.

        Raises:
            ValueError: Nobody reads a key of the config, or an option contradicts the weights.
        """
        check_keys(cfg)
        check_preprocessor(cfg)
        filename = find_resumed(cfg) or cfg.get('load_from') or find_pretrained(cfg)
        if not filename:
            return super().from_cfg(cfg)
        cfg = copy.deepcopy(cfg)
        origin = load_origin(filename)
        lines = adopt_normalisation(cfg, origin)
        runner = super().from_cfg(cfg)
        runner._origin = origin if filename == cfg.get('load_from') else None
        for line in lines:
            runner.logger.info(line)
        return runner

    def setup_env(self, env_cfg: dict) -> None:
        """Set up processes; without a GPU by gloo, where mmengine would ask for a CUDA device."""
        if self.distributed and not torch.cuda.is_available() and not dist.is_initialized():
            if self.launcher != 'pytorch':
                raise ValueError(
                    f'launcher={self.launcher!r} needs GPUs; allowed without: none, pytorch'
                )
            dist.init_process_group('gloo')
        use_tf32(env_cfg.get('tf32', False))
        use_threads(env_cfg.get('num_threads'))
        super().setup_env(env_cfg)

    def set_randomness(self, seed: int | None = None, **kwargs: object) -> None:
        """Seed all generators; a run that is resumed keeps the seed with which it began."""
        if self._resume and not hasattr(self, '_seed'):
            given = dict(work_dir=self.work_dir, load_from=self._load_from, resume=self._resume)
            self._resumed = open_checkpoint({**self.cfg, **given})
            if self._resumed:
                seed = get_seed(self._resumed, seed)
                self._randomness_cfg = {**self._randomness_cfg, 'seed': seed}
        super().set_randomness(seed, **kwargs)

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the model; a line per stage says which layers were put into it."""
        built: nn.Module = super().build_model(model)
        check_paths(self.cfg, built)
        for line in summarize(built):
            self.logger.info(line)
        if use_channels_last(self.cfg.get('channels_last', False)):
            built = built.to(memory_format=torch.channels_last)
        return built

    def _maybe_compile(self, target: str) -> None:
        """Before training, make the blocks fast: ``fuse_tails``, then ``compile``.

        ``compile`` is True or arguments of ``torch.compile``; it is left out on a CPU, where
        compiled training is slower.
        """
        fuse_for_training(self)
        options = self.cfg.get('compile')
        if options in (None, False):
            return
        if not compiles(self):
            self.logger.info('compile: left out, compiled training is slower on a CPU')
            return
        count = compile_regions(self.model, **({} if options is True else options))
        self.logger.info(f'compile: {count} regions, each when it is first used')

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Wrap for distributed training; on CPUs without device ids."""
        if self.distributed and not torch.cuda.is_available():
            model_wrapper_cfg = {
                'type': 'MMDistributedDataParallel',
                'broadcast_buffers': False,
                'find_unused_parameters': self.cfg.get('find_unused_parameters', False),
                'device_ids': None,
                **(model_wrapper_cfg or {}),
            }
        with warnings.catch_warnings():
            # mmengine passes an argument whose name torch has changed.
            warnings.filterwarnings('ignore', '`broadcast_buffers` is deprecated', FutureWarning)
            return super().wrap_model(model_wrapper_cfg, model)

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the loop; one by epochs is :class:`EpochBasedTrainLoop`."""
        if isinstance(loop, dict) and loop.get('by_epoch') and 'type' not in loop:
            loop = {'type': 'EpochBasedTrainLoop', **loop}
            loop.pop('by_epoch')
        loop = super().build_train_loop(loop)
        check_loop(loop)
        return loop

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """Build a loader, see :func:`build_data_loader`."""
        if not isinstance(dataloader, DataLoader):
            return build_data_loader(dataloader, seed, diff_rank_seed)
        check_has_batch(dataloader)
        return dataloader

    def build_optim_wrapper(
        self, optim_wrapper: Optimizer | OptimWrapper | dict
    ) -> OptimWrapper | OptimWrapperDict:
        """Build the optimizer; the names by which the config picks parameters are checked."""
        check_names(optim_wrapper, self.cfg.model, self.bare_model)
        return super().build_optim_wrapper(optim_wrapper)

    def scale_lr(self, optim_wrapper: OptimWrapper, auto_scale_lr: dict | None = None) -> None:
        """Scale the learning rate to the real batch size, gradient accumulation included."""
        if auto_scale_lr and auto_scale_lr.get('enable'):
            accumulated = getattr(optim_wrapper, '_accumulative_counts', 1)
            base = auto_scale_lr['base_batch_size'] / accumulated
            auto_scale_lr = {**auto_scale_lr, 'base_batch_size': base}
        super().scale_lr(optim_wrapper, auto_scale_lr)

    def build_val_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the validation loop; its labels follow the names of the training's classes."""
        loop = refuse_damage(super().build_val_loop(loop))
        return align_with_training(self, loop, 'the validation set')

    def build_test_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the test loop; images are resized and cropped as the loaded weights want it.

        Where the runner has trained before, the weights are its own, and labels follow the
        training's classes.
        """
        if self._origin and not isinstance(self._train_loop, BaseLoop):
            for line in adopt_geometry(self.cfg, self._origin):
                self.logger.info(line)
            self._test_dataloader = self.cfg.test_dataloader
        loop = refuse_damage(super().build_test_loop(loop))
        return align_with_training(self, loop, 'the test set')

    @property
    def bare_model(self) -> nn.Module:
        """The model without what wraps it for distributed training or test-time augmentation."""
        model = self.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        return model

    def load_or_resume(self) -> None:
        """Load or resume; training that starts from ``load_from`` may change the class count."""
        training = isinstance(self._train_loop, BaseLoop)
        if not training:  # there is nothing to resume, whatever the config says
            self._resume, self._resumed = False, None
        if self._resumed:
            self._load_from = self._resumed.filename
        elif self._resume and not self._has_loaded:
            self.logger.info(f'no checkpoint in {self.work_dir} yet: training starts')
        self._resume = self._resumed is not None
        if training and self._load_from and not self._resume and not self._has_loaded:
            self.load_checkpoint(self._load_from, new_head=True)
        super().load_or_resume()
        self._resumed = None
        if training:
            set_up_recomputation(self)
        check_run(self)
        if training:
            super().dump_config()
            copy_modules(self.work_dir)
            for config in Path(self.log_dir).glob('*/config.py'):  # the visualizer's
                copy_modules(config.parent)

    def dump_config(self) -> None:
        """Write nothing yet: a test must not overwrite the config of the training."""

    def resume(self, filename: str, *args: object, **kwargs: object) -> None:
        """Resume from a checkpoint, by the config of today."""
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
            new_head: Let a head of another class count be as it is initialised.
            **kwargs: Not used; mmengine's signature.
        """
        if self._resumed:
            checkpoint = self._resumed.checkpoint
        else:
            checkpoint = CheckpointLoader.load_checkpoint(filename, map_location, logger='silent')
        origin = read_origin(checkpoint, filename)
        check_network(self.cfg, origin, new_head)
        check_normalisation(self.cfg, origin)
        model = self.bare_model
        # All is checked before the hooks, one of which fills the averaged weights.
        checkpoint = fit_checkpoint(checkpoint, model, filename, new_head)
        if self._resume:
            checkpoint = check_training_state(checkpoint, filename, self)
        compare_checkpoint(self, checkpoint, filename)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        load_strictly(model, checkpoint, filename)
        self._has_loaded = True
        self.logger.info(f'loaded {filename}')
        return checkpoint

    def save_checkpoint(self, *args: object, meta: dict | None = None, **kwargs: object) -> None:
        """Save a checkpoint that says how its images were prepared."""
        super().save_checkpoint(
            *args, meta={**(meta or {}), 'preprocessing': self._preprocessing}, **kwargs
        )

    @cached_property
    def _preprocessing(self) -> dict:
        loader = 'val_dataloader' if self.cfg.get('val_dataloader') else 'test_dataloader'
        return describe_preprocessing(self.cfg, loader)

    def build_logger(self, *args: object, **kwargs: object) -> MMLogger:
        """A logger that leaves out what the user cannot act on."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            handler.addFilter(is_useful)
        return logger

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        """Register hooks by name; None leaves out one of mmengine's, or one of a config's."""
        hooks = {
            name: hook
            for name, hook in (hooks or {}).items()
            if hook is not None or name in UPSTREAM_HOOKS
        }
        super().register_default_hooks(hooks)

    def get_hooks_info(self) -> str:
        """The hooks in the order of their priority, on one line."""
        return ', '.join(type(hook).__name__ for hook in self.hooks)

    def _log_env(self, env_cfg: dict) -> None:
        """The environment in a few lines; the whole config is in the work directory."""
        device = (
            f'{torch.cuda.device_count()} x {torch.cuda.get_device_name()}'
            if torch.cuda.is_available()
            else f'CPU, {torch.get_num_threads()} threads'
        )
        self.logger.info(
            f'senet_mm {__version__}, torch {torch.__version__}, mmengine {mmengine.__version__}, '
            f'{device}, {self.world_size} process(es), seed {self.seed}; '
            f'config, log and checkpoints in {self.work_dir}'
        )


def is_useful(record: logging.LogRecord) -> bool:
    """Whether a log record tells the user something."""
    return NOISE.search(record.getMessage()) is None
