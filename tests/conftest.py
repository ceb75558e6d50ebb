import gc
import logging
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.utils import manager
from yapf.yapflib import yapf_api

from senet_mm.config import own_modules, places
from senet_mm.utils.signal_stack import same_signal_stack

from .forked import run_forked

ROOT = Path(__file__).parents[1]


def load_tool(path):
    """The functions of a tool, to call them in this process."""
    return SimpleNamespace(**runpy.run_path(str(ROOT / path)))


def pytest_addoption(parser):
    parser.addoption('--update-golden', action='store_true', help='rewrite tests/golden/*.json')


def pytest_collection_modifyitems(items):
    """Mark tests that run tools in processes as slow; other slow tests mark themselves."""
    for item in items:
        if 'run_tool' in item.fixturenames:
            item.add_marker('slow')


@pytest.fixture(autouse=True, scope='module')
def _few_objects_to_collect():
    """mmengine calls the collector for each data set; it passes over what is imported so far."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_config_was_read(monkeypatch):
    """A config adds its folder to the import path, and is named by errors to come."""
    monkeypatch.setattr(sys, 'path', [*sys.path])
    monkeypatch.setattr(own_modules, 'MODULE_FOLDERS', [])
    places.READ.set({})


@pytest.fixture(autouse=True, scope='session')
def _format_once():
    """A run formats its config four times, which takes as long as a small training."""
    format_code, formatted = yapf_api.FormatCode, {}

    def format_new(text, **style):
        if text not in formatted:
            formatted[text] = format_code(text, **style)
        return formatted[text]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yapf_api, 'FormatCode', format_new)
        yield


@pytest.fixture(autouse=True)
def _scope_and_seed():
    init_default_scope('senet_mm')
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _same_signal_stack():
    """Tests compile networks for OpenVINO themselves; a signal in a later test would kill."""
    with same_signal_stack():
        yield


@pytest.fixture(autouse=True)
def _free_lock():
    """mmengine keeps its lock where an instance cannot be made; other threads would wait."""
    yield
    while manager._lock._is_owned():
        manager._lock.release()


@pytest.fixture
def logged(caplog):
    """pytest's ``caplog`` for mmengine's current logger, which has its own handlers."""
    caplog.set_level(logging.INFO)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.fixture(scope='session')
def run_tool(tmp_path_factory):
    """Run a tool as a user does; returns the finished process, output as text.

    A tool's first run, and one with an environment of its own, are processes of their own, as are
    shell scripts; the others are forked (see ``run_forked``).
    """
    shared = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        shared = shared.parent

    def run(*command, cwd=ROOT, **env):
        command = [str(part) for part in command]
        if command[0].endswith('.py'):
            try:
                (shared / f'{command[0].replace("/", "-")}-ran').touch(exist_ok=False)
            except FileExistsError:
                if not env:
                    return run_forked(command, cwd)
            command.insert(0, sys.executable)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
        return subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, 'PATH': path, **env},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return run
