"""Scripts of tools/benchmarks as modules of a test."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..conftest import ROOT

BENCHMARKS = ROOT / 'tools/benchmarks'


@contextmanager
def siblings_importable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Scripts import from their folder; their modules must not stay for others of their names."""
    monkeypatch.setattr(sys, 'path', [str(folder), *sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], '__file__', '')).startswith(str(BENCHMARKS)):
            del sys.modules[name]
