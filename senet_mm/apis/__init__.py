from senet_mm.config import find_config, get_config, list_models

from .classifier import Classifier
from .models import get_model

__all__ = ['Classifier', 'find_config', 'get_config', 'get_model', 'list_models']
