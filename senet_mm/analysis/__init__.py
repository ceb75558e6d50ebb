from .excitation import Excitation, GateRecorder
from .excitation_hook import ExcitationHook
from .excitation_report import BlockReport, examine, gates_to_markdown, write_csv
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
    'gates_to_markdown',
    'paper_blocks',
    'pool',
    'write_csv',
]
