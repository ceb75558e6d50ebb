"""senet_mm: train, test, study and reuse Squeeze-and-Excitation networks."""

from .apis import Classifier, get_model, list_models
from .utils.quiet import hide_advice
from .utils.stack import check_stack
from .version import __version__

__all__ = ['Classifier', '__version__', 'get_model', 'list_models']

check_stack()
hide_advice()
