from .insert import insert_se, with_se
from .summary import summarize

__all__ = ['insert_se', 'summarize', 'with_se']
