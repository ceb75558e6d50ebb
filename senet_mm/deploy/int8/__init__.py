from .candidates import ENGINES, Quantised, check_int8, quantise, write

__all__ = ['ENGINES', 'Quantised', 'check_int8', 'quantise', 'write']
