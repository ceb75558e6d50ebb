"""Hooks of the runner."""

from .complexity_hook import ComplexityHook
from .damage_hook import DamagedImagesHook
from .freeze_norm_hook import FreezeNormHook
from .param_scheduler_hook import ParamSchedulerHook
from .result_hook import ResultHook

__all__ = [
    'ComplexityHook',
    'DamagedImagesHook',
    'FreezeNormHook',
    'ParamSchedulerHook',
    'ResultHook',
]
