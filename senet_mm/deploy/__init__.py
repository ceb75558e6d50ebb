from .export import TARGETS, Deployed, compile_frozen, deploy
from .fold import EarlySqueeze, Logits, fold
from .metadata import read_record, write_record
from .pack import PackedConv, pack
from .report import make_report

__all__ = [
    'TARGETS',
    'Deployed',
    'EarlySqueeze',
    'Logits',
    'PackedConv',
    'compile_frozen',
    'deploy',
    'fold',
    'make_report',
    'pack',
    'read_record',
    'write_record',
]
