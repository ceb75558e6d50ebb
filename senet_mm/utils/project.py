"""Folder of the configs and tools: beside the package in a clone, inside it once installed."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
# The folder in which OpenMMLab's `mim` looks for them.
_INSTALLED = _PACKAGE / '.mim'

PROJECT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent
