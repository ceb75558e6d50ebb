"""Weights: read without executing anything, compared with the network, with what they carry."""

from .checkpoint import load_from_local, load_strictly
from .download import load_from_url
from .pretrained import PretrainedInit
from .schemes import load_from_anywhere

__all__ = [
    'PretrainedInit',
    'load_from_anywhere',
    'load_from_local',
    'load_from_url',
    'load_strictly',
]
