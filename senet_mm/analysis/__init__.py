from .excitation import Excitation, GateRecorder
from .excitation_hook import ExcitationHook
from .excitation_report import BlockReport, examine, to_markdown, write_csv
from .moments import Moments, pool
from .names import find_class, find_gates, paper_blocks

__all__ = [
    'BlockReport',
    'Excitation',
    'ExcitationHook',
    'GateRecorder',
    'Moments',
    'examine',
    'find_class',
    'find_gates',
    'paper_blocks',
    'pool',
    'to_markdown',
    'write_csv',
]
