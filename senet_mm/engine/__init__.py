from .checkpoint import load_from_local, load_strictly
from .complexity_hook import ComplexityHook
from .damage_hook import DamagedImagesHook
from .download import load_from_url
from .epoch_loop import EpochBasedTrainLoop
from .excitation_hook import ExcitationHook
from .freeze_norm_hook import FreezeNormHook
from .one_cycle import OneCycleLR
from .optim_wrapper import Bf16OptimWrapper
from .param_scheduler_hook import ParamSchedulerHook
from .pretrained import PretrainedInit
from .result_hook import ResultHook
from .runner import Runner
from .schemes import load_from_anywhere
from .synthetic import SyntheticBatches

__all__ = [
    'Bf16OptimWrapper',
    'ComplexityHook',
    'DamagedImagesHook',
    'EpochBasedTrainLoop',
    'ExcitationHook',
    'FreezeNormHook',
    'OneCycleLR',
    'ParamSchedulerHook',
    'PretrainedInit',
    'ResultHook',
    'Runner',
    'SyntheticBatches',
    'load_from_anywhere',
    'load_from_local',
    'load_from_url',
    'load_strictly',
]
