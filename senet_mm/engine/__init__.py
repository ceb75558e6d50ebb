from .distributed_model import DistributedModel
from .hooks import (
    CheckpointHook,
    ClassReportHook,
    ComplexityHook,
    DamagedImagesHook,
    EarlyStoppingHook,
    FreezeNormHook,
    PositionHook,
    ProgressHook,
    ResultHook,
    StallHook,
)
from .log_processor import LogProcessor
from .loops import EpochBasedTrainLoop, IterBasedTrainLoop
from .one_cycle import OneCycleLR
from .optim_wrapper import Bf16OptimWrapper
from .runner import Runner
from .text_logs import LocalVisBackend
from .weights import (
    PretrainedInit,
    load_from_anywhere,
    load_from_local,
    load_from_url,
    load_strictly,
)

__all__ = [
    'Bf16OptimWrapper',
    'CheckpointHook',
    'ClassReportHook',
    'ComplexityHook',
    'DamagedImagesHook',
    'DistributedModel',
    'EarlyStoppingHook',
    'EpochBasedTrainLoop',
    'FreezeNormHook',
    'IterBasedTrainLoop',
    'LocalVisBackend',
    'LogProcessor',
    'OneCycleLR',
    'PositionHook',
    'PretrainedInit',
    'ProgressHook',
    'ResultHook',
    'Runner',
    'StallHook',
    'load_from_anywhere',
    'load_from_local',
    'load_from_url',
    'load_strictly',
]
