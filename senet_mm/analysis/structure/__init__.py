"""The structure of a network, and its picture."""

from .picture import draw_structure
from .units import Structure, get_structure

__all__ = ['Structure', 'draw_structure', 'get_structure']
