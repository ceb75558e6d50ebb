"""Initialisation by our registries."""

from mmengine.model import BaseModule
from mmengine.registry import DefaultScope


class ScopedInit(BaseModule):
    """Initialises in scope ``senet_mm`` and logs nothing.

    With it ``init_cfg=dict(type='Pretrained')`` is our strict initialiser also in detectors and in
    scripts, where the default scope is another one. Name it before other subclasses of
    ``BaseModule``.
    """

    def init_weights(self) -> None:
        """Initialise the module and its children."""
        with DefaultScope.overwrite_default_scope('senet_mm'):
            super().init_weights()

    def _dump_init_info(self) -> None:
        """Log nothing; upstream writes three lines per parameter."""


def loads_checkpoint(module: BaseModule) -> bool:
    """Whether a module's ``init_cfg`` loads a checkpoint, which nothing may overwrite."""
    cfgs = getattr(module, 'init_cfg', None) or []
    return any(cfg['type'] == 'Pretrained' for cfg in (cfgs if isinstance(cfgs, list) else [cfgs]))
