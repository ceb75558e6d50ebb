from .insert import check_se, insert_se, with_se
from .summary import describe_layers

__all__ = ['check_se', 'describe_layers', 'insert_se', 'with_se']
