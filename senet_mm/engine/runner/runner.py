"""mmengine's runner, with its traps filled in."""

import copy
import inspect
from datetime import timedelta

import torch
import torch.distributed as dist
from mmengine.config import Config

from senet_mm.config.auto import find_auto
from senet_mm.config.channels import apply_in_channels, check_channels
from senet_mm.config.keys import check_keys
from senet_mm.engine.weights.adopt import adopt_normalisation
from senet_mm.engine.weights.origin import find_pretrained, load_origin
from senet_mm.engine.weights.preprocessing import check_preprocessor
from senet_mm.registry import RUNNERS
from senet_mm.utils.errors import InputError
from senet_mm.utils.files import check_local
from senet_mm.utils.processes import end_with_launcher
from senet_mm.utils.slurm import use_slurm
from senet_mm.utils.storage import answering_storage

from ..agreement import check_agreement
from ..hooks.non_finite_hook import NonFiniteHook
from ..loops import IterBasedTrainLoop
from ..restart import resumes_by_itself
from ..resume import find_resumed
from ..sizing import fit_to_checkpoint, fit_to_data
from ..speed import use_memory, use_tf32, use_threads
from .loading import LoadingRunner
from .logs import LoggingRunner
from .loops import LoopRunner

# Hooks of every runner; mmengine takes None for these names alone.
UPSTREAM_HOOKS = {
    'checkpoint', 'logger', 'param_scheduler', 'runtime_info', 'sampler_seed', 'timer',
}  # fmt: skip


@RUNNERS.register_module()
class Runner(LoadingRunner, LoopRunner, LoggingRunner):
    """mmengine's runner that runs on any device, loads strictly and logs briefly."""

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'Runner':
        """Build a runner; images are normalised as the weights that it starts from want it.

        What the config leaves to the data set follows from it, or from the checkpoint of a run that
        is resumed.

        Raises:
            ValueError: Nobody reads a key of the config, or an option contradicts the weights.
            StorageError: The disk of the work directory is full or read-only.
        """
        with answering_storage(cfg.get('work_dir') or ''):
            return cls._from_checked_cfg(cfg)

    @classmethod
    def _from_checked_cfg(cls, cfg: Config) -> 'Runner':
        check_keys(cfg)
        check_local(cfg.get('work_dir'), 'work_dir')
        check_preprocessor(cfg)
        if cfg.get('in_channels'):
            cfg = copy.deepcopy(cfg)
            apply_in_channels(cfg)
        check_channels(cfg)
        if resumes_by_itself(cfg):
            cfg = copy.deepcopy(cfg)
            cfg.resume = 'auto'
        resumed = find_resumed(cfg)
        filename = resumed or cfg.get('load_from') or find_pretrained(cfg)
        if filename or find_auto(cfg):  # other configs may hold what cannot be copied
            cfg = copy.deepcopy(cfg)
        origin = load_origin(filename) if filename else None
        lines = fit_to_checkpoint(cfg, origin) if origin and resumed else []
        lines += fit_to_data(cfg)
        if origin:
            lines += adopt_normalisation(cfg, origin)
        runner = super().from_cfg(cfg)
        runner._origin = origin if filename == cfg.get('load_from') else None
        runner._start = origin
        for line in lines:
            runner.logger.info(line)
        return runner

    @classmethod
    def from_checkpoint(cls, cfg: Config, filename: str) -> 'Runner':
        """Build a runner to test a checkpoint; what the config leaves to the data is as it was.

        Args:
            cfg: The config.
            filename: The checkpoint.

        Raises:
            InputError: The config has no test.
        """
        cfg = copy.deepcopy(cfg)
        keys = 'test_dataloader', 'test_cfg', 'test_evaluator'
        if missing := [key for key in keys if cfg.get(key) is None]:
            raise InputError(f'{", ".join(missing)}=None; allowed: a config with {", ".join(keys)}')
        cfg.load_from, cfg.resume = filename, False
        lines = fit_to_checkpoint(cfg, load_origin(filename))
        runner = cls.from_cfg(cfg)
        for line in lines:
            runner.logger.info(line)
        return runner

    def setup_env(self, env_cfg: dict) -> None:
        """Set up processes, which end with their launcher and must have one config."""
        end_with_launcher()
        if self.launcher == 'slurm':
            use_slurm()
        env_cfg = copy.deepcopy(env_cfg)
        dist_cfg = env_cfg.setdefault('dist_cfg', {})
        # Longer than that of StallHook, which names the process for which the others wait.
        dist_cfg.setdefault('timeout', 1800)
        if self.distributed and not torch.cuda.is_available() and not dist.is_initialized():
            self._use_gloo(timedelta(seconds=dist_cfg['timeout']))
        use_tf32(env_cfg.get('tf32', False))
        use_threads(env_cfg.get('num_threads'))
        use_memory(env_cfg.get('keep_freed_memory'))
        super().setup_env(env_cfg)
        if self.distributed:
            check_agreement(self.cfg)

    def _use_gloo(self, timeout: timedelta) -> None:
        """Connect processes without a GPU; mmengine would ask for a CUDA device."""
        if self.launcher == 'mpi':
            raise ValueError("launcher='mpi': needs GPUs; allowed without: none, pytorch, slurm")
        dist.init_process_group('gloo', timeout=timeout)

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        """Register hooks by name; None leaves out one of mmengine's or ours, or of a config's.

        In a training that counts iterations, so do the log and the checkpoints. The interval of the
        checkpoints is then one of validations, unless ``by_epoch`` says what it counts.
        """
        logger = dict(type='LoggerHook', log_metric_by_epoch=self.counts_epochs)
        given: dict = dict(non_finite=NonFiniteHook(), logger=logger) | (hooks or {})
        if isinstance(given['logger'], dict) and given['logger'].get('type') == 'LoggerHook':
            given['logger'] = logger | given['logger']
        saving = given.get('checkpoint')
        if isinstance(saving, dict) and not self.counts_epochs and 'by_epoch' not in saving:
            default = inspect.signature(IterBasedTrainLoop).parameters['val_interval'].default
            validations = self.cfg.train_cfg.get('val_interval', default)
            interval = saving.get('interval', 1)
            if isinstance(interval, int):  # the hook says what is wrong with another value
                interval *= validations
            given['checkpoint'] = dict(saving, by_epoch=False, interval=interval)
        hooks = {
            name: hook for name, hook in given.items() if hook is not None or name in UPSTREAM_HOOKS
        }
        super().register_default_hooks(hooks)
