"""The built wheel works with no repository beside it."""

import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from .blocks import commands_run_by, words_of
from .conftest import ROOT

pytestmark = pytest.mark.slow

SOURCES = (
    'configs', 'senet_mm', 'tools', 'setup.py', 'setup.cfg', 'pyproject.toml', 'MANIFEST.in',
    'README.md', 'LICENSE', 'model-index.yml',
)  # fmt: skip


def run(*command, cwd, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """Built from a copy: a build writes beside the sources."""
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    options = '--no-deps', '--no-build-isolation', '--wheel-dir', folder
    run('-m', 'pip', 'wheel', '--quiet', *options, source, cwd=folder)
    [file] = folder.glob('*.whl')
    return file


@pytest.fixture(scope='module')
def installed(wheel):
    """The folder of a program: the package lies elsewhere, and is found first."""
    site, folder = wheel.parent / 'site', wheel.parent / 'elsewhere'
    folder.mkdir()
    options = '--no-deps', '--quiet', '--target', site
    run('-m', 'pip', 'install', *options, wheel, cwd=folder)
    return lambda *command: run(*command, cwd=folder, PYTHONPATH=str(site))


def test_what_is_in_it(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    configs = {f'senet_mm/.mim/{path.relative_to(ROOT)}' for path in ROOT.glob('configs/**/*.py')}
    assert len(configs) > 100
    assert configs <= names
    assert {'senet_mm/.mim/model-index.yml', 'senet_mm/.mim/configs/results.yml'} <= names
    assert 'senet_mm/converters/caffe_class_order.json' in names
    assert not [name for name in names if name.startswith('tests') or '__pycache__' in name]


def test_its_tools_need_nothing_else(wheel):
    """A tool that needs the repository's other files is not shipped."""
    archive = zipfile.ZipFile(wheel)
    tools = [name for name in archive.namelist() if name.startswith('senet_mm/.mim/tools/')]
    assert len(tools) > 15
    for name in tools:
        folders = re.findall(r"\b(?:ROOT|PROJECT) / f?'([^'/{]+)", archive.read(name).decode())
        assert set(folders) <= {'configs', 'tools', 'model-index.yml'}, name


def test_networks_by_name(installed):
    out = installed('-c', (
        'import senet_mm; from senet_mm.apis import get_model, list_models;'
        'print(senet_mm.__file__); print(len(list_models()));'
        'print(sum(p.numel() for p in get_model("seresnet8_1xb64_digits").parameters()))'
    )).splitlines()  # fmt: skip
    assert out[-3].endswith('site/senet_mm/__init__.py')
    assert int(out[-2]) > 90
    assert int(out[-1]) == 75_793


def test_tools_by_name(installed):
    """Train, test and convert from any folder."""
    assert 'train, ' in installed('-m', 'senet_mm')
    [train] = commands_run_by('docs/configs.md', 'test_tools_by_name')
    *words, name = words_of(train)
    installed(*words, name, '--cfg-options', 'train_cfg.max_epochs=1')
    out = installed('-m', 'senet_mm', 'test', name, f'work_dirs/{name}/epoch_1.pth')
    assert 'accuracy/top1' in out
    installed(
        '-m', 'senet_mm', 'publish_model', f'work_dirs/{name}/epoch_1.pth', '.', '--name', name
    )


def test_an_unknown_tool(installed):
    with pytest.raises(AssertionError, match=r"tool='tran' is not known; allowed: .*train"):
        installed('-m', 'senet_mm', 'tran')
