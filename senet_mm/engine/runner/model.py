"""The model and its optimizer, from the config to the first step."""

import warnings

import torch
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import BaseLoop
from mmengine.runner import Runner as _Runner
from torch import nn
from torch.optim import Optimizer

from ..distributed_model import complete_wrapper
from ..network_names import check_names
from ..recomputation import check_paths
from ..speed import compile_regions, compiles, fuse_for_training, use_channels_last


class ModelRunner(_Runner):
    """mmengine's runner that checks the model, and makes it fast."""

    @property
    def is_training(self) -> bool:
        """Whether the runner trains or has trained, and does not merely evaluate."""
        return isinstance(self._train_loop, BaseLoop)

    # mmengine's would build the training, and read its data, for a mere evaluation.
    @property
    def epoch(self) -> int:
        """Epochs that are trained."""
        return self._train_loop.epoch if self.is_training else 0

    @property
    def iter(self) -> int:
        """Iterations that are trained."""
        return self._train_loop.iter if self.is_training else 0

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the model, in the layout of the config."""
        built: nn.Module = super().build_model(model)
        check_paths(self.cfg, built)
        if use_channels_last(self.cfg.get('channels_last', False)):
            built = built.to(memory_format=torch.channels_last)
        return built

    @property
    def bare_model(self) -> nn.Module:
        """The model without what wraps it for distributed training or test-time augmentation."""
        model = self.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        return model

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
        """Wrap for distributed training: :func:`.complete_wrapper`."""
        if self.distributed and not is_model_wrapper(model):
            model_wrapper_cfg = complete_wrapper(self.cfg, model_wrapper_cfg)
        with warnings.catch_warnings():
            # mmengine passes an argument whose name torch has changed.
            warnings.filterwarnings('ignore', '`broadcast_buffers` is deprecated', FutureWarning)
            wrapped = super().wrap_model(model_wrapper_cfg, model)
        if count := sum(isinstance(m, nn.SyncBatchNorm) for m in wrapped.modules()):
            self.logger.info(f'sync_bn: {count} norms share their statistics among processes')
        return wrapped

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
