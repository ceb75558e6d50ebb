from .export import TARGETS, Deployed, deploy
from .fold import EarlySqueeze, Logits, fold
from .image_check import compare_scores
from .metadata import read_record, write_record
from .pack import PackedConv, pack
from .report import make_batch, make_report
from .runtimes import compile_frozen
from .with_images import check_with_images

__all__ = [
    'TARGETS',
    'Deployed',
    'EarlySqueeze',
    'Logits',
    'PackedConv',
    'check_with_images',
    'compare_scores',
    'compile_frozen',
    'deploy',
    'fold',
    'make_batch',
    'make_report',
    'pack',
    'read_record',
    'write_record',
]
