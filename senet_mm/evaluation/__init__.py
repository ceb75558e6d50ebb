from .class_report import ClassReport
from .cross_entropy import CrossEntropy

__all__ = ['ClassReport', 'CrossEntropy']
