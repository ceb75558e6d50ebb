from .insert import check_se, insert_se, with_se
from .summary import summarize

__all__ = ['check_se', 'insert_se', 'summarize', 'with_se']
