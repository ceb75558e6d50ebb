from senet_mm.config import find_config, get_config, list_models

from .models import get_model

__all__ = ['find_config', 'get_config', 'get_model', 'list_models']
