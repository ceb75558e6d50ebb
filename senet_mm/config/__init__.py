"""Configs: by name, read with options, with every key checked."""

from .names import find_config, get_config, list_models

__all__ = ['find_config', 'get_config', 'list_models']
