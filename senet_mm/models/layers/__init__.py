from .se_layer import AvgSqueeze, MaxSqueeze, NoSqueeze, SELayer

__all__ = ['AvgSqueeze', 'MaxSqueeze', 'NoSqueeze', 'SELayer']
