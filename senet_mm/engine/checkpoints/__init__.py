"""The checkpoints of a run: what they hold, how they are written, which one a run resumes from."""

from .folder import clean_up, find_last
from .state import collect_state, restore_state, snapshot
from .writer import Writer, write_checkpoint

__all__ = [
    'Writer',
    'clean_up',
    'collect_state',
    'find_last',
    'restore_state',
    'snapshot',
    'write_checkpoint',
]
