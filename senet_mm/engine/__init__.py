from .epoch_loop import EpochBasedTrainLoop
from .hooks import (
    ComplexityHook,
    DamagedImagesHook,
    FreezeNormHook,
    ParamSchedulerHook,
    ResultHook,
)
from .one_cycle import OneCycleLR
from .optim_wrapper import Bf16OptimWrapper
from .runner import Runner
from .weights import (
    PretrainedInit,
    load_from_anywhere,
    load_from_local,
    load_from_url,
    load_strictly,
)

__all__ = [
    'Bf16OptimWrapper',
    'ComplexityHook',
    'DamagedImagesHook',
    'EpochBasedTrainLoop',
    'FreezeNormHook',
    'OneCycleLR',
    'ParamSchedulerHook',
    'PretrainedInit',
    'ResultHook',
    'Runner',
    'load_from_anywhere',
    'load_from_local',
    'load_from_url',
    'load_strictly',
]
