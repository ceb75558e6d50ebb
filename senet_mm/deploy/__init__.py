from .export import TARGETS, Deployed, deploy
from .fold import EarlySqueeze, fold
from .report import make_report

__all__ = ['TARGETS', 'Deployed', 'EarlySqueeze', 'deploy', 'fold', 'make_report']
