"""senet_mm: train, test, study and reuse Squeeze-and-Excitation networks."""

from .utils.stack import check_stack
from .version import __version__

__all__ = ['__version__']

check_stack()
