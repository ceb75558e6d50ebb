"""Hooks of the runner."""

from .checkpoint_hook import CheckpointHook
from .class_report_hook import ClassReportHook
from .complexity_hook import ComplexityHook
from .damage_hook import DamagedImagesHook
from .early_stopping_hook import EarlyStoppingHook
from .freeze_norm_hook import FreezeNormHook
from .non_finite_hook import NonFiniteHook
from .position_hook import PositionHook
from .progress_hook import ProgressHook
from .result_hook import ResultHook
from .runtime_info_hook import RuntimeInfoHook
from .stall_hook import StallHook

__all__ = [
    'CheckpointHook',
    'ClassReportHook',
    'ComplexityHook',
    'DamagedImagesHook',
    'EarlyStoppingHook',
    'FreezeNormHook',
    'NonFiniteHook',
    'PositionHook',
    'ProgressHook',
    'ResultHook',
    'RuntimeInfoHook',
    'StallHook',
]
