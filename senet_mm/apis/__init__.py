from .configs import find_config, get_config, list_models

__all__ = ['find_config', 'get_config', 'list_models']
