from .checkpoint import load_from_local, load_strictly
from .complexity_hook import ComplexityHook
from .optim_wrapper import Bf16OptimWrapper
from .runner import Runner

__all__ = ['Bf16OptimWrapper', 'ComplexityHook', 'Runner', 'load_from_local', 'load_strictly']
