"""Initialisation by our registries."""

from mmengine.model import BaseModule
from mmengine.registry import DefaultScope


class ScopedInit(BaseModule):
    """Initialises in scope ``senet_mm`` and logs nothing.

    ``init_cfg=dict(type='Pretrained')`` must be ours, which is strict, in a detector and in a
    script too. To be named before another subclass of ``BaseModule``.
    """

    def init_weights(self) -> None:
        """Initialise the module and what is below it."""
        with DefaultScope.overwrite_default_scope('senet_mm'):
            super().init_weights()

    def _dump_init_info(self) -> None:
        """Upstream writes three lines per parameter into the log here."""


def loads_checkpoint(module: BaseModule) -> bool:
    """Whether a module's ``init_cfg`` fills it from a checkpoint, which nothing may overwrite."""
    cfgs = getattr(module, 'init_cfg', None) or []
    return any(cfg['type'] == 'Pretrained' for cfg in (cfgs if isinstance(cfgs, list) else [cfgs]))
