from .insert import check_se, insert_se, with_se
from .summary import describe_layers, name_block, name_stage

__all__ = ['check_se', 'describe_layers', 'insert_se', 'name_block', 'name_stage', 'with_se']
