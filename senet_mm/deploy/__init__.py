from .export import TARGETS, Deployed, deploy
from .fold import EarlySqueeze, fold
from .pack import PackedConv, pack
from .report import make_report

__all__ = [
    'TARGETS',
    'Deployed',
    'EarlySqueeze',
    'PackedConv',
    'deploy',
    'fold',
    'make_report',
    'pack',
]
